package ring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"stablepages/bench/testenv"
)

// childEnv is the variable with the name and the arguments of one of children, which
// this program runs when a test starts it again.
const childEnv = "STABLEPAGES_RING_TEST_CHILD"

var children = map[string]func(args []string) error{
	"descriptors":       childDescriptors,
	"no descriptors":    childNoDescriptors,
	"refused set-up":    childRefusedSetup,
	"refused enter":     childRefusedEnter,
	"limited file size": childLimitedFileSize,
}

// errMissing is the error of a child if the machine lacks a prerequisite.
var errMissing = errors.New("missing")

const exitMissing = 3

func TestMain(m *testing.M) {
	debug.SetTraceback("all")
	if spec, ok := os.LookupEnv(childEnv); ok {
		args := strings.Split(spec, ",")
		err := children[args[0]](args[1:])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		switch {
		case errors.Is(err, errMissing):
			os.Exit(exitMissing)
		case err != nil:
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const patience = time.Minute

// limit ends the program if t takes too long.
func limit(t *testing.T) {
	t.Helper()
	timer := time.AfterFunc(patience, func() { panic(t.Name() + " hangs") })
	t.Cleanup(func() { timer.Stop() })
}

// runChild starts this program again to do what args name.
func runChild(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	// By default a program under the race detector sleeps for a second when it exits.
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(args, ","), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == exitMissing {
		testenv.Missing(t, "%s", out)
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// open makes a ring of the kernel, which is empty again and closed when t ends.
func open(t *testing.T, entries int) *Ring {
	t.Helper()
	return openWith(t, entries, linux)
}

func openWith(t *testing.T, entries int, k kernel) *Ring {
	t.Helper()
	limit(t)
	r, err := newRing(entries, k)
	if err != nil {
		testenv.Missing(t, "io_uring: %v", err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return r
}

// result is a completion as a test compares it.
type result struct {
	tag uint64
	res int32
}

// next waits for a completion.
func next(t *testing.T, r *Ring) result {
	t.Helper()
	for {
		if tag, res, ok := r.Reap(); ok {
			return result{tag, res}
		}
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// none requires that nothing is in flight and nothing was completed.
func none(t *testing.T, r *Ring) {
	t.Helper()
	if tag, res, ok := r.Reap(); ok {
		t.Errorf("there is a completion of tag %d with result %d", tag, res)
	}
	if n := r.inFlight; n != 0 {
		t.Errorf("%d submissions are in flight", n)
	}
}

// must ends t at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mapped returns memory that is aligned to pages.
func mapped(t *testing.T, bytes, access int) []byte {
	t.Helper()
	p, err := unix.Mmap(-1, 0, bytes, access, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	must(t, err)
	t.Cleanup(func() { unix.Munmap(p) })
	return p
}

// file opens name for the test.
func file(t *testing.T, name string, flags int) int {
	t.Helper()
	fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0o600)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}
