//go:build amd64 || arm64

package guard

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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

	"golang.org/x/sys/unix"

	"stablepages/bench/aio"
	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

// TestMain also makes this program the guarded one: as "guarded REPORT COMMAND" it
// becomes COMMAND, as "ways DIR" it opens files.
func TestMain(m *testing.M) {
	Main()
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "guarded":
			os.Exit(becomeGuarded(os.Args[2], os.Args[3:]))
		case "ways":
			ways(os.Args[2])
			os.Exit(0)
		case "receive":
			receive(os.Args[2])
			os.Exit(0)
		case "race":
			if err := changeInFlight(os.Args[2]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case "library":
			f, err := stablewrite.Create(os.Args[2], stablewrite.Options{Strategy: stablewrite.Bounce, RequireDirect: true})
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	code := m.Run()
	if compiled.name != "" {
		os.RemoveAll(filepath.Dir(compiled.name))
	}
	os.Exit(code)
}

func becomeGuarded(report string, argv []string) int {
	f, err := os.OpenFile(report, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err == nil {
		err = Exec(Options{Report: f}, argv)
	}
	fmt.Fprintln(os.Stderr, err)
	if e, ok := err.(*Error); ok {
		return e.Code
	}
	return 1
}

// patience is the longest time of a program, which is then killed.
const patience = 60 * time.Second

// program is a command that a test runs, guarded or not.
type program struct {
	*exec.Cmd
	out, errs *bytes.Buffer
	report    string
}

// command prepares a command in a new process group.
func command(t *testing.T, guarded bool, argv ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p := &program{out: new(bytes.Buffer), errs: new(bytes.Buffer), report: filepath.Join(t.TempDir(), "report")}
	if guarded {
		argv = append([]string{self(), "guarded", p.report}, argv...)
	}
	p.Cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.Stdout, p.Stderr = p.out, p.errs
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Cancel = func() error { return syscall.Kill(-p.Process.Pid, syscall.SIGKILL) }
	p.WaitDelay = time.Second
	return p
}

func self() string {
	name, _ := os.Executable()
	return name
}

// run runs p to its end and returns its output.
func (p *program) run(t *testing.T) string {
	t.Helper()
	if err := p.Run(); err != nil {
		t.Fatalf("%q: %v\n%s%s", p.Args, err, p.out, p.errs)
	}
	return p.out.String()
}

// records returns the Records reported so far.
func (p *program) records(t *testing.T) (all []record.Guard) {
	t.Helper()
	b, err := os.ReadFile(p.report)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var g record.Guard
		if err := json.Unmarshal(line, &g); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, g)
	}
	return all
}

// sum adds up the Records reported so far.
func (p *program) sum(t *testing.T) (s record.Guard) {
	t.Helper()
	for _, g := range p.records(t) {
		s.Opens += g.Opens
		s.Cleared += g.Cleared
		s.Refused += g.Refused
		s.Stops = g.Stops
	}
	return s
}

var compiled struct {
	sync.Once
	name string
	err  error
}

// compile returns the C program of testdata.
func compile(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		testenv.Missing(t, "the command gcc")
	}
	compiled.Do(func() {
		dir, err := os.MkdirTemp("", "guard-test-")
		if err != nil {
			compiled.err = err
			return
		}
		compiled.name = filepath.Join(dir, "program")
		if out, err := exec.Command("gcc", "-Wall", "-O1", "-pthread", "-o", compiled.name, "testdata/program.c").CombinedOutput(); err != nil {
			compiled.err = fmt.Errorf("%v\n%s", err, out)
		}
	})
	if compiled.err != nil {
		t.Fatal(compiled.err)
	}
	return compiled.name
}

func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		testenv.Missing(t, "root")
	}
}

// Every way to open has the same result with a guard as without, except O_DIRECT.
func TestEveryWayToOpenIsAsUnguardedButForODirect(t *testing.T) {
	t.Parallel()
	root(t) // chroot, open_by_handle_at
	plain := strings.Split(command(t, false, self(), "ways", testenv.DirectDir(t)).run(t), "\n")
	p := command(t, true, self(), "ways", testenv.DirectDir(t))
	guarded := strings.Split(p.run(t), "\n")
	if len(plain) != len(guarded) {
		t.Fatalf("unguarded:\n%s\nguarded:\n%s", strings.Join(plain, "\n"), p.out)
	}
	direct := 0
	for i, want := range plain {
		if strings.Contains(want, " DIRECT") {
			direct++
		}
		if want = strings.Replace(want, " DIRECT", "", 1); guarded[i] != want {
			t.Errorf("%q, want %q", guarded[i], want)
		}
	}
	if sum := p.sum(t); direct < 12 || sum.Opens != direct || sum.Refused != 1 || sum.Cleared != 0 {
		t.Errorf("%d files were direct; %+v", direct, sum)
	}
	for _, g := range p.records(t) {
		if g.Kind != record.KindGuard || g.Version != record.Version || g.Comm == "" || g.PID == 0 || (g.File == "") != (g.Refused > 0) {
			t.Errorf("%+v", g)
		}
	}
}

// ways opens files in every way and prints what came of it.
func ways(dir string) {
	say := func(way string, fd int, err error) {
		if err != nil {
			fmt.Printf("%s: %v\n", way, err)
			return
		}
		flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		cloexec, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		var st unix.Stat_t
		unix.Fstat(fd, &st)
		direct := ""
		if flags&unix.O_DIRECT != 0 && st.Mode&unix.S_IFMT != unix.S_IFIFO {
			direct = " DIRECT"
			flags &^= unix.O_DIRECT
		}
		fmt.Printf("%s: flags %#x, descriptor %d, mode %#o, size %d%s\n", way, flags, cloexec, st.Mode, st.Size, direct)
		unix.Close(fd)
	}
	must := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	const d = unix.O_DIRECT
	must(os.Chdir(dir))
	must(os.WriteFile("f", make([]byte, 8192), 0o644))
	must(os.Symlink("f", "link"))
	must(os.Mkdir("sub", 0o755))
	at, err := unix.Open("sub", unix.O_DIRECTORY, 0)
	must(err)
	open := func(way, name string, flags int, mode uint32) {
		fd, err := unix.Openat(unix.AT_FDCWD, name, flags, mode)
		say(way, fd, err)
	}
	oldOpen(say)
	open("openat", "f", unix.O_RDWR|d, 0)
	open("absolute", dir2(), unix.O_WRONLY|d|unix.O_APPEND|unix.O_CLOEXEC|unix.O_DSYNC|unix.O_NONBLOCK|unix.O_NOATIME, 0)
	fd, err := unix.Openat(at, "../f", unix.O_RDONLY|d, 0)
	say("relative to a descriptor", fd, err)
	f, err := unix.Open("f", unix.O_RDWR, 0)
	must(err)
	open("/proc/self/fd", fmt.Sprint("/proc/self/fd/", f), unix.O_RDWR|d, 0)
	open("symbolic link", "link", unix.O_RDWR|d, 0)
	open("symbolic link, O_NOFOLLOW", "link", unix.O_RDWR|d|unix.O_NOFOLLOW, 0)
	unix.Umask(0o027)
	open("O_CREAT|O_EXCL", "new", unix.O_RDWR|d|unix.O_CREAT|unix.O_EXCL, 0o666)
	open("O_CREAT|O_EXCL, exists", "new", unix.O_RDWR|d|unix.O_CREAT|unix.O_EXCL, 0o666)
	open("O_TMPFILE", ".", unix.O_RDWR|d|unix.O_TMPFILE, 0o640)
	open("O_TRUNC", "new", unix.O_WRONLY|d|unix.O_TRUNC, 0)
	open("O_PATH", "f", d|unix.O_PATH, 0)
	open("missing", "nothing", unix.O_RDWR|d, 0)
	open("a directory", "sub", unix.O_RDWR|d, 0)
	open("below a file", "f/x", unix.O_RDWR|d, 0)
	open("without O_DIRECT", "f", unix.O_RDWR, 0)
	openat2 := func(way string, at int, name string, how unix.OpenHow) {
		fd, err := unix.Openat2(at, name, &how)
		say(way, fd, err)
	}
	openat2("openat2", at, "../f", unix.OpenHow{Flags: unix.O_RDWR | d | unix.O_CLOEXEC | largeFile})
	openat2("openat2, new", at, "new2", unix.OpenHow{Flags: unix.O_RDWR | d | unix.O_CREAT, Mode: 0o666})
	openat2("openat2, beneath, without O_DIRECT", at, "../f", unix.OpenHow{Flags: unix.O_RDWR, Resolve: unix.RESOLVE_BENEATH})
	openat2("openat2, beneath, in it", at, "new2", unix.OpenHow{Flags: unix.O_RDWR, Resolve: unix.RESOLVE_BENEATH})
	openat2("openat2, O_PATH", at, "new2", unix.OpenHow{Flags: unix.O_PATH | d})
	if fd, err := unix.Openat2(at, "new2", &unix.OpenHow{Flags: unix.O_RDWR | d, Resolve: unix.RESOLVE_BENEATH}); err != unix.ENOSYS && !direct1(fd) {
		fmt.Println("openat2, beneath, with O_DIRECT:", err) // unguarded: direct; guarded: ENOSYS
	}
	if handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "f", 0); err == nil {
		fd, err := unix.OpenByHandleAt(unix.AT_FDCWD, handle, unix.O_RDWR|d)
		say("open_by_handle_at", fd, err)
	}
	_, err = unix.FcntlInt(uintptr(f), unix.F_SETFL, unix.O_RDWR|d|unix.O_APPEND|unix.O_NONBLOCK)
	must(err)
	say("F_SETFL", f, err)
	_, err = unix.FcntlInt(9999, unix.F_SETFL, d)
	say("F_SETFL of nothing", 0, err)
	var pipe [2]int
	must(unix.Pipe2(pipe[:], d))
	_, err = unix.FcntlInt(uintptr(pipe[1]), unix.F_SETFL, d|unix.O_NONBLOCK)
	must(err)
	say("F_SETFL of a pipe of packets", pipe[1], err)
	var limit unix.Rlimit
	must(unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	few := limit
	few.Cur = 3
	must(unix.Setrlimit(unix.RLIMIT_NOFILE, &few))
	open("no descriptors left", "f", unix.O_RDWR|d, 0)
	must(unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	must(unix.Chroot("sub"))
	open("chroot", "/new2", unix.O_RDWR|d, 0)
	open("chroot, missing", "/f", unix.O_RDWR|d, 0)
}

func dir2() string {
	dir, _ := os.Getwd()
	return filepath.Join(dir, "f")
}

func direct1(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_DIRECT != 0
}

func TestCProgramsLoseODirectAndNothingElse(t *testing.T) {
	t.Parallel()
	name := compile(t)
	for _, tc := range []struct {
		mode           []string
		want           string
		opens, cleared int
	}{
		{[]string{"check", "f"}, "direct 0\n", 1, 0},
		{[]string{"ring", "f"}, "at first 1\ncleared 1\n", 0, 1},
		{[]string{"threads", "f", "1000"}, "1000 threads, 0 of them direct\n", 2000, 0},
		{[]string{"forks", "f", "300"}, "300 processes, 0 of them direct\n", 300, 0},
		{[]string{"vfork", "f"}, "direct 0\n", 1, 0},
		{[]string{"threadexec", "f"}, "direct 0\n", 1, 0},
		{[]string{"interrupted", "fifo"}, "1 alarms, opened 0, EINTR\n", 0, 0},
		{[]string{"restarted", "fifo"}, "1 alarms, opened 1, \n", 1, 0},
		{[]string{"childless", "f"}, "wait ECHILD\n", 0, 0},
	} {
		t.Run(tc.mode[0], func(t *testing.T) {
			t.Parallel()
			p := command(t, true, append([]string{name}, tc.mode...)...)
			p.Dir = testenv.DirectDir(t)
			if got := p.run(t); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
			if sum := p.sum(t); sum.Opens != tc.opens || sum.Cleared != tc.cleared || sum.Refused != 0 {
				t.Errorf("%+v", sum)
			}
		})
	}
}

func TestRegistersAndMemoryOfAnOpenAreKept(t *testing.T) {
	t.Parallel()
	p := command(t, true, compile(t), "registers", "f")
	p.Dir = testenv.DirectDir(t)
	if got := p.run(t); strings.Contains(got, "kept 0") || strings.Contains(got, "direct 1") {
		t.Error(got)
	}
}

func TestCallsOf32BitProgramsFailLoudlyAndOnlyWithODirect(t *testing.T) {
	t.Parallel()
	name, dir := compile(t), testenv.DirectDir(t)
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	plain := command(t, false, name, "compat", "f")
	plain.Dir = dir
	if err := plain.Run(); err != nil || !strings.Contains(plain.out.String(), "getpid works 1") {
		testenv.Missing(t, "a kernel that runs 32-bit programs")
	}
	p := command(t, true, name, "compat", "f")
	p.Dir = dir
	if got, want := p.run(t), "getpid works 1\nopen works 1\nopen with O_DIRECT is ENOSYS 1\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A descriptor that was handed down is cleared before the program's first
// instruction, and a descriptor that comes over a socket soon after.
func TestDescriptorsFromElsewhereAreCleared(t *testing.T) {
	t.Parallel()
	file := filepath.Join(testenv.DirectDir(t), "f")
	openDirect := func() *os.File {
		f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|unix.O_DIRECT, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	t.Run("inherited", func(t *testing.T) {
		p := command(t, true, "sh", "-c", "grep flags /proc/self/fdinfo/3")
		p.ExtraFiles = []*os.File{openDirect()}
		text := strings.TrimSpace(strings.TrimPrefix(p.run(t), "flags:"))
		if flags, err := strconv.ParseInt(text, 8, 64); err != nil || flags&unix.O_DIRECT != 0 || flags&unix.O_ACCMODE != unix.O_RDWR {
			t.Errorf("%q", p.out)
		}
		if sum := p.sum(t); sum.Cleared != 1 || sum.Opens != 0 {
			t.Errorf("%+v", sum)
		}
	})
	t.Run("over a socket", func(t *testing.T) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pair[0])
		p := command(t, true, self(), "receive", "3")
		theirs := os.NewFile(uintptr(pair[1]), "socket")
		p.ExtraFiles = []*os.File{theirs}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(int(openDirect().Fd())), nil, 0); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err != nil || p.out.String() != "at first true, cleared true\n" {
			t.Errorf("%v: %s%s", err, p.out, p.errs)
		}
		if sum := p.sum(t); sum.Cleared != 1 {
			t.Errorf("%+v", sum)
		}
	})
}

// receive waits for a descriptor over a socket, and until it has lost O_DIRECT.
func receive(socket string) {
	s, _ := strconv.Atoi(socket)
	data, control := make([]byte, 1), make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(s, data, control, 0)
	messages, err2 := unix.ParseSocketControlMessage(control[:n])
	if err != nil || err2 != nil || len(messages) != 1 {
		fmt.Println(err, err2)
		os.Exit(1)
	}
	fds, _ := unix.ParseUnixRights(&messages[0])
	first := direct1(fds[0])
	for began := time.Now(); direct1(fds[0]) && time.Since(began) < 10*time.Second; {
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("at first %v, cleared %v\n", first, !direct1(fds[0]))
}

func TestAStaticGoProgramIsGuarded(t *testing.T) {
	t.Parallel()
	dir := testenv.DirectDir(t)
	source := `package main
import ("fmt"; "os"; "sync"; "syscall")
func main() {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			f, err := os.OpenFile(fmt.Sprint("f", i), os.O_RDWR|os.O_CREATE|syscall.O_DIRECT, 0o666)
			if err != nil { panic(err) }
			if _, err := f.Write([]byte("not aligned")); err != nil { panic(err) }
		})
	}
	wg.Wait()
	fmt.Println("done")
}`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o666); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", "static", "main.go")
	build.Dir = dir
	build.Env = append(build.Environ(), "CGO_ENABLED=0", "GO111MODULE=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := command(t, true, "./static")
	p.Dir = dir
	if got := p.run(t); got != "done\n" {
		t.Error(got)
	}
	if sum := p.sum(t); sum.Opens != 50 {
		t.Errorf("%+v", sum)
	}
}

func TestExitCodesAndSignalsAreThoseOfTheProgram(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"exit 0": "exit status 0", "exit 1": "exit status 1", "exit 42": "exit status 42", "exit 255": "exit status 255",
		"kill -TERM $$": "signal: terminated", "kill -KILL $$": "signal: killed", "kill -USR1 $$": "signal: user defined signal 1",
		"trap 'exit 3' INT; kill -INT $$": "exit status 3", "sh -c 'kill -KILL $$'; exit 5": "exit status 5",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			p := command(t, true, "sh", "-c", script)
			p.Run()
			if got := p.ProcessState.String(); got != want {
				t.Errorf("%s, want %s\n%s", got, want, p.errs)
			}
		})
	}
}

// The program runs in the process that was started, with its number, group and
// input.
func TestTheProgramIsTheProcessThatWasStarted(t *testing.T) {
	t.Parallel()
	p := command(t, true, "sh", "-c", "echo $$ $PPID; cat")
	p.Stdin = strings.NewReader("input\n")
	if got, want := p.run(t), fmt.Sprintf("%d %d\ninput\n", p.Process.Pid, os.Getpid()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if p.errs.Len() != 0 {
		t.Errorf("printed: %s", p.errs)
	}
}

// awaitLine starts p, waits for its first line of output, and returns the rest.
func awaitLine(t *testing.T, p *program, want string) io.Reader {
	t.Helper()
	p.Stdout = nil
	out, err := p.StdoutPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != want+"\n" {
		t.Fatalf("%q, want %q: %v\n%s", line, want, err, p.errs)
	}
	return lines
}

func TestStopsAndSignalsReachTheProgramAndItsParent(t *testing.T) {
	t.Parallel()
	for _, stop := range []unix.Signal{unix.SIGSTOP, unix.SIGTSTP} {
		// A SIGSTOP between vfork and execve stops the child, and the parent never,
		// guarded or not: the shell says that it is ready after that.
		p := command(t, true, "sh", "-c", "sleep 100 & echo ready; wait")
		awaitLine(t, p, "ready")
		defer syscall.Kill(-p.Process.Pid, unix.SIGKILL)
		for range 3 {
			syscall.Kill(-p.Process.Pid, stop)
			if ws := await4(t, p.Process.Pid, unix.WUNTRACED); !ws.Stopped() || ws.StopSignal() != stop {
				t.Fatalf("%v: %#x", stop, ws)
			}
			time.Sleep(20 * time.Millisecond)
			if state := state(p.Process.Pid); state != "t" && state != "T" {
				t.Errorf("%v: in state %s", stop, state)
			}
			syscall.Kill(-p.Process.Pid, unix.SIGCONT)
			if ws := await4(t, p.Process.Pid, unix.WCONTINUED); !ws.Continued() {
				t.Fatalf("%v: %#x", stop, ws)
			}
		}
		syscall.Kill(-p.Process.Pid, unix.SIGINT)
		if ws := await4(t, p.Process.Pid, 0); !ws.Signaled() || ws.Signal() != unix.SIGINT {
			t.Errorf("%v: %#x", stop, ws)
		}
		p.Process.Release()
	}
}

// await4 waits for a change of a child.
func await4(t *testing.T, pid, options int) unix.WaitStatus {
	t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		var ws unix.WaitStatus
		if got, err := unix.Wait4(pid, &ws, options|unix.WNOHANG, nil); got == pid {
			return ws
		} else if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
	t.Fatalf("process %d did not change", pid)
	return 0
}

func state(pid int) string {
	state, _, _ := strings.Cut(statusField(fmt.Sprintf("/proc/%d/status", pid), "State"), " ")
	return state
}

// guardOf returns the PID of the guard of a process.
func guardOf(t *testing.T, pid int) int {
	t.Helper()
	guard, _ := strconv.Atoi(statusField(fmt.Sprintf("/proc/%d/status", pid), "TracerPid"))
	if guard == 0 {
		t.Fatalf("process %d is not guarded", pid)
	}
	tgid, _ := strconv.Atoi(statusField(fmt.Sprintf("/proc/%d/status", guard), "Tgid"))
	return tgid
}

func TestWhenTheGuardIsKilledTheProgramGoesOnAndODirectFails(t *testing.T) {
	t.Parallel()
	p := command(t, true, compile(t), "outlive", "f")
	p.Dir = testenv.DirectDir(t)
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := awaitLine(t, p, "direct 0")
	guard := guardOf(t, p.Process.Pid)
	syscall.Kill(guard, unix.SIGKILL)
	for began := time.Now(); statusField(fmt.Sprintf("/proc/%d/status", guard), "Pid") != "" && state(guard) != "Z"; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("the guard does not die")
		}
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.Process.Pid))
	if len(tasks) < 21 {
		t.Errorf("%d threads", len(tasks))
	}
	for _, task := range tasks {
		if by, state := statusField(task, "TracerPid"), statusField(task, "State"); by != "0" || strings.HasPrefix(strings.ToLower(state), "t") {
			t.Errorf("%s: traced by %s, in state %s", task, by, state)
		}
	}
	in.Write([]byte("\n"))
	in.Close()
	rest, _ := io.ReadAll(out)
	if err := p.Wait(); err != nil {
		t.Errorf("%v\n%s", err, p.errs)
	}
	if got, want := string(rest), "O_DIRECT ENOSYS\nwithout opens 1\nF_SETFL ENOSYS\nchild 7\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOrdinaryWritesStopNothing(t *testing.T) {
	t.Parallel()
	dir := testenv.DirectDir(t)
	for _, writes := range []string{"1", "100000"} {
		p := command(t, true, compile(t), "writes", "f", writes)
		p.Dir = dir
		p.run(t)
		if sum := p.sum(t); sum.Stops > 20 || sum.Opens != 1 {
			t.Errorf("%s writes: %+v", writes, sum)
		}
	}
}

func TestManyGuardsAtOnce(t *testing.T) {
	t.Parallel()
	name, dir := compile(t), testenv.DirectDir(t)
	var all []*program
	for i := range 8 {
		p := command(t, true, name, "threads", fmt.Sprint("f", i), "30")
		p.Dir = dir
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	for _, p := range all {
		if err := p.Wait(); err != nil || p.out.String() != "30 threads, 0 of them direct\n" {
			t.Errorf("%v: %s%s", err, p.out, p.errs)
		}
		if sum := p.sum(t); sum.Opens != 60 {
			t.Errorf("%+v", sum)
		}
	}
}

// Processes that a program leaves behind stay guarded. A caller that waits for the
// program, or for the end of its output, does not wait for them.
func TestADaemonLeftBehindIsGuardedOn(t *testing.T) {
	t.Parallel()
	dir := testenv.DirectDir(t)
	p := command(t, true, "sh", "-c", "(until [ -e go ]; do sleep 0.02; done; "+compile(t)+" check f) >answer 2>&1 </dev/null &")
	p.Dir = dir
	p.run(t) // fails if its standard error is held open
	if sum := p.sum(t); sum.Opens != 0 {
		t.Errorf("%+v", sum)
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); p.sum(t).Opens != 1; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("%+v", p.records(t))
		}
	}
	if got := readFile(filepath.Join(dir, "answer")); got != "direct 0\n" {
		t.Error(got)
	}
}

// If the first process of a PID namespace ends, as in a container, its guard is killed
// with it, so the guard reports before.
func TestTheFirstProcessOfANamespace(t *testing.T) {
	t.Parallel()
	testenv.Tool(t, "unshare")
	dir := testenv.DirectDir(t)
	report := filepath.Join(dir, "report")
	for mount, code := range map[string]int{"--mount-proc": 6, "--mount": CodeCannotGuard} {
		p := command(t, false, "unshare", "--fork", "--pid", mount, self(), "guarded", report, "sh", "-c", compile(t)+" check f; exit 6")
		p.Dir, p.report = dir, report
		if p.Run(); p.ProcessState.ExitCode() != code {
			t.Errorf("%s: %v: %s", mount, p.ProcessState, p.errs)
		}
	}
	p := program{report: report}
	if sum := p.sum(t); sum.Opens != 1 {
		t.Errorf("%+v", sum)
	}
}

func TestWithoutPrivileges(t *testing.T) {
	t.Parallel()
	root(t) // to have none
	name, dir := compile(t), testenv.DirectDir(t)
	for _, d := range []string{dir, filepath.Dir(name)} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	p := command(t, true, "sh", "-c", "grep NoNewPrivs /proc/self/status; exec "+name+" check f")
	p.Path, p.Args[0] = "/proc/self/exe", "/proc/self/exe"
	p.report = filepath.Join(dir, "report")
	p.Args[2] = p.report
	p.Dir = dir
	p.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	if got, want := p.run(t), "NoNewPrivs:\t1\ndirect 0\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	p = command(t, true, "grep", "NoNewPrivs", "/proc/self/status")
	if got, want := p.run(t), "NoNewPrivs:\t0\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWhatCannotBeGuardedIsRefusedBeforeItStarts(t *testing.T) {
	dir := testenv.DirectDir(t)
	file := func(name, content string, mode uint32) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := unix.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const script = "#!/bin/sh\ntouch started\n"
	capable := file("capable", script, 0o755)
	// struct vfs_cap_data, revision 2: CAP_NET_RAW, permitted.
	if err := unix.Setxattr(capable, "security.capability", []byte{1: 0, 3: 2, 5: 0x20, 19: 0}, 0); err != nil {
		testenv.Missing(t, "file capabilities: %v", err)
	}
	elf32 := file("elf32", "\x7fELF\x01\x01\x01", 0o755)
	for _, tc := range []struct {
		argv []string
		code int
		text string
	}{
		{[]string{file("setuid", script, 0o4755)}, CodeCannotRun, "setuid or setgid"},
		{[]string{file("setgid", script, 0o2755)}, CodeCannotRun, "setuid or setgid"},
		{[]string{capable}, CodeCannotRun, "file capabilities"},
		{[]string{elf32}, CodeCannotRun, "32-bit"},
		{[]string{file("by32", "#!"+elf32+" -x\n", 0o755)}, CodeCannotRun, "32-bit"},
		{[]string{file("plain", script, 0o644)}, CodeCannotRun, "permission denied"},
		{[]string{dir}, CodeCannotRun, "is a directory"},
		{[]string{file("garbage", "garbage", 0o755)}, CodeCannotRun, "exec format error"},
		{[]string{filepath.Join(dir, "nothing")}, CodeNotFound, "not found"},
		{[]string{"no-such-command-anywhere"}, CodeNotFound, "not found"},
		{[]string{self(), "guarded", filepath.Join(dir, "inner"), "touch", "started"}, CodeCannotGuard, "traces this one already"},
	} {
		p := command(t, true, tc.argv...)
		p.Dir = dir
		p.Run()
		if got := p.ProcessState.ExitCode(); got != tc.code || !strings.Contains(p.errs.String(), tc.text) {
			t.Errorf("%v: exit code %d, want %d: %s", tc.argv, got, tc.code, p.errs)
		}
		if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
			t.Fatalf("%v was started", tc.argv)
		}
	}
	p := command(t, true, file("setgid-not-executable-by-group", "#!/bin/sh\n", 0o2705)) // an old way to say mandatory locking
	p.run(t)
}

// Real programs that are told to write directly write the right bytes, and through
// the page cache.
func TestProgramsWriteThroughThePageCache(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("fio"); err != nil {
		testenv.Missing(t, "the command fio")
	}
	fio := func(engine string, more ...string) []string {
		return append([]string{"fio", "--name=j", "--filename=f", "--size=4m", "--bs=16k", "--rw=randwrite", "--direct=1", "--verify=crc32c", "--verify_fatal=1", "--iodepth=8", "--ioengine=" + engine}, more...)
	}
	for name, argv := range map[string][]string{
		"dd":        {"dd", "if=/dev/zero", "of=f", "bs=16k", "count=256", "oflag=direct"},
		"fio psync": fio("psync"), "fio libaio": fio("libaio"), "fio io_uring": fio("io_uring"),
		"fio io_uring, fixed": fio("io_uring", "--fixedbufs", "--registerfiles"),
		"fio threads":         fio("psync", "--thread", "--numjobs=4", "--size=1m", "--offset_increment=1m"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := testenv.DirectDir(t)
			for _, guarded := range []bool{false, true} {
				os.Remove(filepath.Join(dir, "f"))
				p := command(t, guarded, argv...)
				p.Dir = dir
				p.run(t)
				cached := residentPages(t, filepath.Join(dir, "f"))
				if !guarded && cached > 0 || guarded && cached < 1024 {
					t.Errorf("guarded %v: %d of 1024 pages are cached", guarded, cached)
				}
				if guarded && p.sum(t).Opens == 0 {
					t.Error("no open lost O_DIRECT")
				}
			}
		})
	}
}

// A store into the buffer after the submission of a write reaches the media without a
// guard, and does not with one. A fast disk often has the data before the store. So the
// test runs the program without a guard until a store came in time, and with a guard as
// often.
func TestChangesInFlightDoNotReachTheMedia(t *testing.T) {
	t.Parallel()
	name := filepath.Join(testenv.DirectDir(t), "f")
	raced := func(guarded bool) (changed int) {
		t.Helper()
		command(t, guarded, self(), "race", name).run(t)
		media := testenv.Media(t, name)
		changed = bytes.Count(media, []byte{'b'})
		if len(media) != racedWrites<<20 || bytes.Count(media, []byte{'a'})+changed != len(media) {
			t.Fatalf("guarded %v: %d bytes, some of which were never written", guarded, len(media))
		}
		return changed
	}
	tries := 1
	for ; raced(false) == 0; tries++ {
		if tries == 100 {
			t.Fatalf("no store after the submission of %d writes of 1 MiB reached the media", tries*racedWrites)
		}
	}
	for range tries {
		if changed := raced(true); changed > 0 {
			t.Fatalf("guarded: %d of %d bytes are those that were stored in flight", changed, racedWrites<<20)
		}
	}
}

// The library knows that a guard makes its files write through the page cache.
func TestRequireDirectRefusesAGuardedFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(testenv.DirectDir(t), "f")
	command(t, false, self(), "library", name).run(t)
	p := command(t, true, self(), "library", name)
	if err := p.Run(); err == nil || !strings.Contains(p.errs.String(), "O_DIRECT was set and is gone") {
		t.Errorf("%v: %s", err, p.errs)
	}
}

const racedWrites = 10

// changeInFlight writes each MiB of a file from a buffer of 'a', and stores 'b' into all
// of the buffer after the submission and before the completion. The race detector would
// look at the whole buffer first, and the disk be done by then.
//
//go:norace
func changeInFlight(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_DIRECT, 0o666)
	if err != nil {
		return err
	}
	if err := f.Truncate(racedWrites << 20); err != nil { // a write that extends the file is not in flight when it was submitted
		return err
	}
	c, err := aio.New()
	if err != nil {
		return err
	}
	before, buf, after := bytes.Repeat([]byte{'a'}, 1<<20), stablewrite.AlignedBuffer(1<<20), bytes.Repeat([]byte{'b'}, 1<<20)
	for i := range racedWrites {
		copy(buf, before)
		if err := c.Submit(f, buf, int64(i)<<20); err != nil {
			return err
		}
		copy(buf, after)
		if n, err := c.Reap(); n != len(buf) || err != nil {
			return fmt.Errorf("%d bytes written: %w", n, err)
		}
	}
	return nil
}

// residentPages counts the pages of a file that are in the page cache: direct writes
// leave none.
func residentPages(t *testing.T, name string) (n int) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	memory, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(memory)
	for _, page := range mincore(t, memory) {
		n += int(page & 1)
	}
	return n
}

// While a program runs, no descriptor of its file shows O_DIRECT.
func TestDescriptorsOfARunningProgramShowNoODirect(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("fio"); err != nil {
		testenv.Missing(t, "the command fio")
	}
	p := command(t, true, "fio", "--name=j", "--filename=f", "--size=4m", "--bs=4k", "--rw=randwrite", "--direct=1", "--ioengine=libaio", "--iodepth=8", "--time_based", "--runtime=1", "--thread")
	p.Dir = testenv.DirectDir(t)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	seen := 0
	for len(ended) == 0 {
		time.Sleep(time.Millisecond)
		names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.Process.Pid))
		for _, name := range names {
			if target := readLink(name); target != filepath.Join(p.Dir, "f") {
				continue
			}
			seen++
			if aio.DirectIn(procFile(p.Process.Pid, "fdinfo/"+filepath.Base(name))) {
				t.Errorf("%s has O_DIRECT", name)
			}
		}
	}
	if err := <-ended; err != nil || seen == 0 {
		t.Errorf("%v, seen %d times\n%s%s", err, seen, p.out, p.errs)
	}
}
