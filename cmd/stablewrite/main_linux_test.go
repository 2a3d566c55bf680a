package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

func TestMain(m *testing.M) {
	mutator.Main()
	kernel.Guest(raceUnderWatch)
	testscript.Main(m, map[string]func(){"stablewrite": main})
}

// exits runs a command and requires its exit code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, args[1:]); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitCode(ts *testscript.TestScript, command []string) int {
	err := ts.Exec(command[0], command[1:]...)
	if e := new(exec.ExitError); errors.As(err, &e) {
		return e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	return 0
}

// judges is exits for watch. On a busy machine watch may miss a write, or threads of the
// kernel may queue writes of other programs, and its verdict is inconclusive: then the
// command runs again.
func judges(ts *testscript.TestScript, neg bool, args []string) {
	for try := 1; ; try++ {
		got := exitCode(ts, args[1:])
		said := strings.Join(strings.Fields(ts.ReadFile("stderr")), " ")
		if try < 5 && (strings.Contains(said, "more were missed") || strings.Contains(said, "threads of the kernel queued")) {
			continue
		}
		if fmt.Sprint(got) != args[0] {
			ts.Fatalf("exit code %d, want %s", got, args[0])
		}
		return
	}
}

// only requires that a directory holds these names and no others: only DIR
// [NAME...]
func only(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var names []string
	for _, e := range entries {
		if e.Name() != ".tmp" { // testscript's own
			names = append(names, e.Name())
		}
	}
	if got, want := strings.Join(names, " "), strings.Join(args[1:], " "); (got == want) == neg {
		ts.Fatalf("%s holds %q, want %q", args[0], got, want)
	}
}

// alone removes all commands but this program from PATH.
func alone(ts *testscript.TestScript, neg bool, args []string) {
	ts.Setenv("PATH", filepath.SplitList(ts.Getenv("PATH"))[0])
}

// scripts runs the scripts of a directory side by side.
func scripts(t *testing.T, dir string, setup func(*testscript.Env) error) {
	testscript.Run(t, testscript.Params{
		Dir: dir, WorkdirRoot: testenv.DirectDir(t), RequireUniqueNames: true, Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "only": only, "alone": alone, "judges": judges, "mount": mount,
		},
	})
}

func TestCommandLine(t *testing.T) { scripts(t, "testdata", nil) }

// Whole runs of evaluate and bench, whose parts have tests in their packages.
func TestCommandLineOfWholeRuns(t *testing.T) {
	testenv.Long(t)
	scripts(t, "testdata/long", nil)
}

// Scripts for kernels that track who writes to pages.
func TestCommandLineTracking(t *testing.T) {
	if _, err := stablewrite.TrackedBuffer(1); err != nil {
		testenv.Missing(t, "%v", err)
	}
	scripts(t, "testdata/tracking", nil)
}

// Scripts that need new file systems, mounted by root.
func TestCommandLineOnMounts(t *testing.T) {
	testenv.Long(t)
	testenv.Tool(t, "mount", "losetup", "mkfs.ext4", "mkfs.btrfs", "findmnt", "chattr")
	scripts(t, "testdata/mounts", func(env *testscript.Env) error {
		env.Setenv("LOOP", testenv.LoopDevice(t, 64<<20))
		return nil
	})
}

// Scripts of watch, which root runs.
func TestCommandLineOfWatch(t *testing.T) {
	testenv.EBPF(t)
	scripts(t, "testdata/watch", nil)
}

// mount mounts a new file system for a script and sets an environment variable
// to its directory: mount NAME ext4|ext4-ro|ext4-full|btrfs|btrfs-nodatasum|
// tmpfs|ramfs
func mount(ts *testscript.TestScript, neg bool, args []string) {
	name, kind := args[0], args[1]
	dir := ts.MkAbs("mnt-" + name)
	ts.Check(os.Mkdir(dir, 0o777))
	do := func(args ...string) {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			ts.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	fs, option, _ := strings.Cut(kind, "-")
	switch fs {
	case "tmpfs", "ramfs":
		do("mount", "-t", fs, fs, dir)
	default:
		image := dir + ".image"
		do("truncate", "-s", "128M", image)
		do("mkfs."+fs, "-q", image)
		if option == "nodatasum" {
			do("mount", "-o", "loop,nodatasum", image, dir)
			break
		}
		do("mount", "-o", "loop", image, dir)
	}
	ts.Defer(func() { do("umount", dir) })
	switch option {
	case "ro":
		do("mount", "-o", "remount,ro", dir)
	case "full":
		f, err := os.Create(filepath.Join(dir, "filler"))
		ts.Check(err)
		_, err = io.Copy(f, zeros{})
		f.Close()
		if !errors.Is(err, syscall.ENOSPC) {
			ts.Fatalf("filling: %v", err)
		}
	}
	ts.Setenv(name, dir)
	if fs == "ext4" {
		dev, err := exec.Command("findmnt", "-no", "SOURCE", dir).Output()
		ts.Check(err)
		ts.Setenv(name+"_DEVICE", strings.TrimSpace(string(dev)))
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// built is the program as users build it: tests have no symbols, and with the race detector
// are too slow for an emulated processor, and may crash by a signal at start-up. Its file
// has no name.
var built = sync.OnceValues(func() (*os.File, error) {
	dir, err := os.MkdirTemp("", "stablepages-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "stablewrite")
	build := exec.Command("go", "build", "-o", name, ".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	return os.Open(name)
})

// program returns a name of the built program.
func program(t *testing.T) string {
	t.Helper()
	f, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
}

// command is this program, as a user starts it, in a new process group.
func command(dir string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	var out bytes.Buffer
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{"stablewrite"}, args...), Dir: dir,
		Stdout: &out, Stderr: &out, SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	return cmd, &out
}

// family lists a process and its children, which have other process groups. It does not
// find children whose parent died; running does.
func family(parent int) (pids []int) {
	for pid, st := range running() {
		if pid == parent || st.parent == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

type stat struct{ parent int }

// running lists the processes that run the program of this test.
func running() map[int]stat {
	self, _ := os.Readlink("/proc/self/exe")
	found := map[int]stat{}
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range names {
		b, err := os.ReadFile(name)
		exe, err2 := os.Readlink(filepath.Join(filepath.Dir(name), "exe"))
		if err != nil || err2 != nil || exe != self {
			continue // it ended, or is another
		}
		// pid (comm) state ppid ...
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		parent, _ := strconv.Atoi(fields[1])
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if fields[0] != "Z" {
			found[pid] = stat{parent: parent}
		}
	}
	return found
}

// awaitEnd waits until none of the processes runs.
func awaitEnd(t *testing.T, pids []int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		left := 0
		for _, pid := range pids {
			if _, ok := running()[pid]; ok {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of the processes %v %d still run", pids, left)
		}
	}
}

// awaitFamily waits until a process has a child and returns both.
func awaitFamily(t *testing.T, parent int) []int {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if pids := family(parent); len(pids) == 2 {
			return pids
		}
		if time.Now().After(deadline) {
			t.Fatalf("the process has no child: %v", family(parent))
		}
	}
}

// awaitFile waits for a file to be written to.
func awaitFile(t *testing.T, name string) {
	t.Helper()
	await(t, name, 1)
}

func awaitFileExists(t *testing.T, name string) {
	t.Helper()
	await(t, name, 0)
}

func await(t *testing.T, name string, size int64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(500 * time.Microsecond) {
		if st, err := os.Stat(name); err == nil && st.Size() >= size {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was written to %s", name)
		}
	}
}

// Ctrl-C reaches the whole process group. The program of 2011, which has no planned end,
// then gives its verdict. A run with a planned end says that it was interrupted.
func TestSIGINTToTheProcessGroupEndsWithTheVerdictSoFar(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
	}{
		{[]string{"repro"}, -1}, // as the verdict says: a change overlapped a write or none did
		{[]string{"repro", "--mutator", "storm"}, exitTorn},
		{[]string{"repro", "--mutator", "storm", "--strategy", "bounce", "--gate"}, exitClean},
		{[]string{"repro", "--mutator", "storm", "--duration", "1h"}, exitInterrupted},
		{[]string{"repro", "--mutator", "storm", "--duration", "1h", "--in", "thread", "--gate"}, exitInterrupted},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			dir := testenv.DirectDir(t)
			cmd, out := command(dir, tc.args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			awaitFile(t, filepath.Join(dir, "testfile"))
			time.Sleep(100 * time.Millisecond)
			pids := family(cmd.Process.Pid)
			syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
			cmd.Wait()
			code := cmd.ProcessState.ExitCode()
			if code != tc.code && (tc.code != -1 || code != exitTorn && code != exitFailed && code != exitClean) {
				t.Errorf("exit code %d, want %d\n%s", code, tc.code, out)
			}
			if !strings.Contains(out.String(), " writes, ") || strings.Contains(out.String(), "died") {
				t.Errorf("no verdict:\n%s", out)
			}
			awaitEnd(t, pids)
			if entries, _ := os.ReadDir(dir); len(entries) != 0 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
}

func TestKillingTheParentLeavesNoChild(t *testing.T) {
	for _, gate := range []bool{false, true} {
		dir := testenv.DirectDir(t)
		cmd, _ := command(dir, "repro", "--mutator", "storm", "--gate="+strconv.FormatBool(gate))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitFile(t, filepath.Join(dir, "testfile"))
		pids := awaitFamily(t, cmd.Process.Pid)
		cmd.Process.Kill()
		cmd.Wait()
		awaitEnd(t, pids)
	}
}

func TestKillingTheMutatorIsAnError(t *testing.T) {
	dir := testenv.DirectDir(t)
	cmd, out := command(dir, "repro", "--mutator", "storm", "--gate")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(dir, "testfile"))
	for _, pid := range awaitFamily(t, cmd.Process.Pid) {
		if pid != cmd.Process.Pid {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(out.String(), "mutator died") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestSIGINTEndsAnEvaluation(t *testing.T) {
	dir := testenv.DirectDir(t)
	cmd, out := command(dir, "evaluate", "--out", "results")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(dir, "results", "results.jsonl"))
	pids := family(cmd.Process.Pid)
	syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(out.String(), "interrupted; Records until then:") || !strings.Contains(out.String(), "Torn writes of all writes") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	awaitEnd(t, pids)
	results, err := os.ReadFile(filepath.Join(dir, "results", "results.jsonl"))
	for line := range strings.Lines(string(results)) {
		var rec record.Repro
		if err := json.Unmarshal([]byte(line), &rec); err != nil || rec.Kind != record.KindRepro || rec.Version != record.Version {
			t.Errorf("%v in %s", err, line)
		}
	}
	if err != nil || len(results) == 0 {
		t.Errorf("%v: no results", err)
	}
}

// SIGINT interrupts at any moment, also before there is a child and while a child starts.
func TestSIGINTAtAnyMomentIsNoFailure(t *testing.T) {
	dir, program := testenv.DirectDir(t), program(t)
	for i := range 40 {
		cmd, out := command(dir, "repro", "--mutator", "storm", "--gate", "--duration", "1h", fmt.Sprint("f", i))
		cmd.Path = program
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitFileExists(t, filepath.Join(dir, fmt.Sprint("f", i)))
		time.Sleep(time.Duration(i) * 500 * time.Microsecond)
		syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		cmd.Wait()
		// Until the program has asked for the signal, the signal has its usual effect.
		if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() && ws.ExitStatus() != exitInterrupted {
			t.Errorf("after %d half milliseconds: %v\n%s", i, cmd.ProcessState, out)
		}
	}
}

// A pipe that nobody reads ends the program, after it removed its file.
func TestABrokenPipeLeavesNothingBehind(t *testing.T) {
	dir := testenv.DirectDir(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd, _ := command(dir, "repro", "--mutator", "storm", "--writes", "5")
	cmd.Stdout = w
	if err := cmd.Run(); err == nil {
		t.Error("printing into a pipe that nobody reads succeeds")
	}
	w.Close()
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// A terminal gets a line of progress, which is erased at the end. Other writers, and
// terminals that cannot replace lines, do not.
func TestProgressIsForTerminals(t *testing.T) {
	for _, tc := range []struct {
		args  []string
		shows string
	}{
		{[]string{"repro", "--mutator", "storm", "--duration", "200ms"}, "raw against storm"},
		{[]string{"bench", "--target", "null", "--strategies", "raw", "--sizes", "4k", "--depths", "1", "--mutated", "0", "--rounds", "1", "--time", "5ms"}, " left: timing the strategies"},
	} {
		for _, term := range []string{"xterm", "dumb"} {
			seen := onTerminal(t, term, tc.args...)
			if shown := bytes.Contains(seen, []byte(tc.shows)); shown != (term != "dumb") {
				t.Errorf("%s on %s: %q", tc.args[0], term, seen)
			} else if shown && !bytes.HasSuffix(seen, []byte("\r\x1b[J")) {
				t.Errorf("%s on %s: it does not end with the line gone: %q", tc.args[0], term, seen)
			}
		}
		cmd, out := command(testenv.DirectDir(t), tc.args...)
		cmd.Run()
		if strings.Contains(out.String(), "\x1b") || strings.Contains(out.String(), tc.shows) {
			t.Errorf("in a pipe: %q", out)
		}
	}
}

// onTerminal returns the output of a run to a terminal that is its standard error.
func onTerminal(t *testing.T, term string, args ...string) []byte {
	t.Helper()
	terminal, name := pty(t)
	cmd, _ := command(testenv.DirectDir(t), args...)
	cmd.Env = append(cmd.Environ(), "TERM="+term)
	slave, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = slave
	cmd.Run()
	slave.Close()
	seen, _ := io.ReadAll(terminal) // ends with EIO: no slave is left
	return seen
}

func pty(t *testing.T) (*os.File, string) {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		testenv.Missing(t, "a pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil { // one of no size shows nothing
		err = unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100})
	}
	if err != nil {
		t.Fatal(err)
	}
	return f, fmt.Sprintf("/dev/pts/%d", n)
}
