//go:build amd64 || arm64

package guard

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
)

const (
	maxRows    = 1000 // of a tally; the rest is counted without names
	shownFiles = 10   // in the text, which is printed among COMMAND's messages
)

// tally counts the actions of the guard since the last report.
type tally struct {
	rows  map[record.Guard]record.Guard // counts, by Comm, PID and File
	stops int
	began time.Time
}

func newTally() tally { return tally{rows: map[record.Guard]record.Guard{}, began: time.Now()} }

// count adds done to the row of a file and of the process of a thread.
func (t *tracer) count(tid int, file string, done record.Guard) {
	key := record.Guard{File: file}
	key.PID, _ = strconv.Atoi(statusField(procFile(tid, "status"), "Tgid"))
	key.Comm = comm(key.PID)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.tally.rows[key]; !ok && len(t.tally.rows) >= maxRows {
		key = record.Guard{}
	}
	sum := t.tally.rows[key]
	add(&sum, done)
	t.tally.rows[key] = sum
}

// take returns the Records since the last report.
func (t *tracer) take() (all []record.Guard) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for g, sum := range t.tally.rows {
		add(&g, sum)
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b record.Guard) int {
		return cmp.Or(cmp.Compare(b.Taken(), a.Taken()), cmp.Compare(a.PID, b.PID), cmp.Compare(a.File, b.File))
	})
	if len(all) == 0 && t.Process != 0 { // the result is that nothing lost O_DIRECT
		all = []record.Guard{{PID: t.Process, Comm: comm(t.Process)}}
	}
	system, seconds := record.SystemOf(nil), time.Since(t.tally.began).Seconds()
	for i := range all {
		g := &all[i]
		g.Kind, g.Stops, g.Seconds, g.System, g.Version = record.KindGuard, t.tally.stops, seconds, system, record.Version
	}
	t.tally = newTally()
	return all
}

// report reports what the guard did since the last report. When COMMAND has ended it
// also prints to standard error, but does not wait long, since nobody may be reading, and
// closes what the guard has of COMMAND. The guard goes on for the processes that COMMAND
// left behind.
func (t *tracer) report() {
	first := t.Process != 0
	all := t.take()
	for i := 0; t.Report && i < len(all); i++ {
		if err := record.Write(t.records, all[i]); err != nil && first {
			fmt.Fprintln(os.Stderr, "stablewrite run: the report:", err)
			break
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
	t.Process = 0
	unix.Dup3(0, 2, unix.O_CLOEXEC) // /dev/null
}
