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

// Peers are other programs, which write as our writers do: to the same region, of the same
// size, as many at a time, with an fdatasync after each region and at the end.
//
// They differ in this: their memory is theirs, and always hot. fio fills it once and
// scrambles nothing (--scramble_buffers=0). With io_uring it registers buffers and file. Its
// CRC-32C also covers a header in each write. dd gets a number of bytes instead of a time:
// as many as raw wrote, at most the region. It reads them from /dev/zero and has to start,
// which both take processor time, and it measures no latencies.
//
// missing names the programs that are not installed.
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

// peer times a cell of another program.
func (r *run) peer(ctx context.Context, g group, v record.Variant) (record.Cost, error) {
	if v == record.DD {
		return r.dd(ctx, g)
	}
	stdout, _, _, err := r.output(ctx, "fio", fioArgs(g, v, r.region, r.Time)...)
	if err != nil {
		return record.Cost{}, err
	}
	return parseFio(stdout)
}

// path is the target in the other process. The target need not have a name.
const path = "/proc/self/fd/3"

// output runs a program. The program dies with this process, since nothing protects the
// target from it then. Until it is dead it holds the target itself, and the locks on it.
func (r *run) output(ctx context.Context, name string, args ...string) (stdout, stderr []byte, state *os.ProcessState, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.ExtraFiles = []*os.File{r.Target}
	runtime.LockOSThread() // the program would die with the thread that started it
	defer runtime.UnlockOSThread()
	mortal(cmd)
	var said bytes.Buffer
	cmd.Stderr = &said
	if stdout, err = cmd.Output(); err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, firstLine(said.String()))
	}
	return stdout, said.Bytes(), cmd.ProcessState, err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
