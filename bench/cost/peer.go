package cost

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"stablepages/bench/record"
)

// Peers are other programs that write to the same target, in the same rounds: of
// the same size and as many at a time, to the same region, with an fdatasync for
// each time that they write as much as that and at the end, within the time.
//
// What is not the same: their memory is theirs, and always hot. fio fills it once,
// scrambles nothing (--scramble_buffers=0), by io_uring registers it and the file, and
// takes the CRC-32C of a write, where it does, over a header of its own in it
// too. dd is given as many bytes to write as raw wrote before, at most the region,
// instead of a time; it reads them from /dev/zero, which takes processor time, of
// which the process's start is a part, and counts no latencies.
//
// Those that are not installed are named by missing.
func Peers() (installed []record.Variant, missing []string) {
	for _, p := range []struct {
		program  string
		variants []record.Variant
	}{
		{"fio", []record.Variant{record.FioPsync, record.FioPsyncSum, record.FioUring}},
		{"dd", []record.Variant{record.DD}},
	} {
		if _, err := exec.LookPath(p.program); err != nil {
			missing = append(missing, p.program)
			continue
		}
		installed = append(installed, p.variants...)
	}
	return installed, missing
}

// peer is another program in one group.
type peer struct {
	run     *run
	g       group
	variant record.Variant
}

func newPeer(r *run, g group, v record.Variant) *peer { return &peer{r, g, v} }

func (p *peer) close() {}

func (p *peer) time(ctx context.Context, _ int) (record.Cost, error) {
	if p.variant == record.DD {
		return p.dd(ctx)
	}
	return p.fio(ctx)
}

// path is the target as the other process has it, which need not have a name.
const path = "/proc/self/fd/3"

// output runs a program and returns what it printed and what it said. The program
// dies with this process: it must not write on when nobody holds the target for it.
// Until it is dead it holds the target itself, with whatever locks are on it.
func (p *peer) output(ctx context.Context, name string, args ...string) (stdout, stderr []byte, state *os.ProcessState, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.ExtraFiles = []*os.File{p.run.Target}
	runtime.LockOSThread() // the program would die with the thread that started it
	defer runtime.UnlockOSThread()
	mortal(cmd)
	var said bytes.Buffer
	cmd.Stderr = &said
	stdout, err = cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, firstLine(said.String()))
	}
	return stdout, said.Bytes(), cmd.ProcessState, err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
