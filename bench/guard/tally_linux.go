//go:build amd64 || arm64

package guard

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
)

const (
	maxRows    = 1000 // told apart; the rest is counted without names
	shownFiles = 10   // in the text, which stands where COMMAND's own messages do
)

type rowKey struct {
	comm string
	pid  int
	file string
}

// row counts what was taken from one file of one process.
type row struct{ opens, cleared, refused int }

// tally is what was done since the last report.
type tally struct {
	rows  map[rowKey]*row
	stops int
	began time.Time
}

func newTally() tally { return tally{rows: map[rowKey]*row{}, began: time.Now()} }

// count counts something that was done to a file of a thread's process.
func (t *tracer) count(tid int, file string, add func(*row)) {
	key := rowKey{file: file}
	key.pid, _ = strconv.Atoi(statusField(t.file(tid, "status"), "Tgid"))
	key.comm = strings.TrimSuffix(readFile(t.file(key.pid, "comm")), "\n")
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.tally.rows[key]
	if r == nil && len(t.tally.rows) >= maxRows {
		key = rowKey{}
		r = t.tally.rows[key]
	}
	if r == nil {
		r = new(row)
		t.tally.rows[key] = r
	}
	add(r)
}

// take returns the Records since the last report.
func (t *tracer) take() (all []record.Guard) {
	t.mu.Lock()
	defer t.mu.Unlock()
	base := record.Guard{
		Kind: record.KindGuard, Stops: t.tally.stops, Seconds: time.Since(t.tally.began).Seconds(),
		System: record.SystemOf(nil), Version: record.Version,
	}
	for key, r := range t.tally.rows {
		g := base
		g.Comm, g.PID, g.File, g.Opens, g.Cleared, g.Refused = key.comm, key.pid, key.file, r.opens, r.cleared, r.refused
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b record.Guard) int {
		return cmp.Or(cmp.Compare(b.Taken(), a.Taken()), cmp.Compare(a.PID, b.PID), cmp.Compare(a.File, b.File))
	})
	t.tally = newTally()
	if len(all) == 0 && t.Process != 0 { // that there was nothing is a result, too
		base.PID, base.Comm = t.Process, strings.TrimSuffix(readFile(t.file(t.Process, "comm")), "\n")
		all = append(all, base)
	}
	return all
}

// report says what was done since the last report: where COMMAND has ended also on
// standard error, which may be read by nobody and full. A program's end does not
// wait for that.
func (t *tracer) report() {
	first := t.Process != 0
	all := t.take()
	if t.Report && len(all) > 0 {
		for _, g := range all {
			if err := record.Write(t.records, g); err != nil && first {
				fmt.Fprintln(os.Stderr, "stablewrite run: the report:", err)
				break
			}
		}
	}
	if !first {
		return
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		switch {
		case t.JSON:
			for _, g := range all {
				record.Write(os.Stderr, g)
			}
		case all[0].Taken()+all[0].Refused > 0:
			fmt.Fprintf(os.Stderr, "stablewrite run: %s\n", Text(all, shownFiles))
		}
	}()
	select {
	case <-said:
	case <-time.After(time.Second):
	}
}

// release lets go of what belongs to COMMAND, which has ended. What it left behind
// is guarded on.
func (t *tracer) release() {
	t.Process = 0
	unix.Dup3(0, 2, unix.O_CLOEXEC) // /dev/null
}
