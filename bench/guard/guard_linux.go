//go:build amd64 || arm64

package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// The guard is this program, started again. It starts itself once more and so is not a
// child of COMMAND: a program that waits for any child must not find a child that it never
// started. The guard answers on descriptor 3, a pipe; descriptor 4 is the report.
const (
	guardEnv    = "STABLEWRITE_GUARD"
	guardAnswer = 3
	guardReport = 4
)

// job tells the guard, in its environment, what to do.
type job struct {
	Process, Thread int // that become COMMAND
	Report, JSON    bool
	Second          bool // the second start
}

// Exec becomes COMMAND, guarded. argv is its name and its arguments. Exec returns only
// if it cannot, with an *Error.
func Exec(o Options, argv []string) error {
	path, err := find(argv[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // one thread is traced, has the filter, and becomes COMMAND
	if readLink("/proc/self") != strconv.Itoa(os.Getpid()) {
		return &Error{CodeCannotGuard, errors.New("/proc is not mounted, or shows another PID namespace: mount it (mount -t proc proc /proc, unshare --mount-proc)")}
	}
	if by := statusField("/proc/thread-self/status", "TracerPid"); by != "0" {
		pid, _ := strconv.Atoi(by)
		return &Error{CodeCannotGuard, fmt.Errorf("process %d (%s) traces this one already, as a debugger or a guard, and a process has only one tracer: run COMMAND outside of it", pid, comm(pid))}
	}
	// Yama may restrict tracing to descendants, so permit the guard to trace.
	unix.Prctl(unix.PR_SET_PTRACER, uintptr(unix.PR_SET_PTRACER_ANY), 0, 0, 0)
	err = start(o)
	unix.Prctl(unix.PR_SET_PTRACER, 0, 0, 0, 0)
	if err == nil {
		err = install(filter())
	}
	if err != nil {
		return &Error{CodeCannotGuard, err}
	}
	restoreSignals()
	return &Error{CodeCannotRun, fmt.Errorf("%s: %w", path, syscall.Exec(path, argv, os.Environ()))}
}

// start starts the guard and returns when it guards this thread.
func start(o Options) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	answers := os.NewFile(uintptr(pipe[0]), "pipe")
	defer answers.Close()
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(pipe[1])
		return fmt.Errorf("%s: %w", os.DevNull, err)
	}
	defer unix.Close(null)
	report := uintptr(null)
	if o.Report != nil {
		report = o.Report.Fd()
	}
	j := job{Process: os.Getpid(), Thread: unix.Gettid(), Report: o.Report != nil, JSON: o.JSON}
	pid, err := j.spawn(uintptr(null), uintptr(null), 2, uintptr(pipe[1]), report)
	unix.Close(pipe[1])
	if err != nil {
		return err
	}
	for err = unix.EINTR; err == unix.EINTR; {
		_, err = unix.Wait4(pid, nil, 0, nil)
	}
	text, err := io.ReadAll(answers)
	switch {
	case err != nil:
		return err
	case len(text) == 0:
		return errors.New("the guard died before it guarded: memory or processes may be limited here (ulimit -u, -v)")
	case string(text) != "ok":
		return errors.New(string(text))
	}
	return nil
}

// spawn starts this program as a guard. files are its descriptors from 0 on.
func (j job) spawn(files ...uintptr) (pid int, err error) {
	spec, err := json.Marshal(j)
	if err != nil {
		return 0, err
	}
	pid, err = syscall.ForkExec("/proc/self/exe", []string{os.Args[0], "guard of " + strconv.Itoa(j.Process)}, &syscall.ProcAttr{
		Dir: "/", Env: append(os.Environ(), guardEnv+"="+string(spec)), Files: files,
		Sys: &syscall.SysProcAttr{Setsid: !j.Second},
	})
	if err != nil {
		return 0, fmt.Errorf("start this program again: %w", err)
	}
	return pid, nil
}

// Main is the main function of the guard. In any other process it returns at once.
func Main() {
	spec, ok := os.LookupEnv(guardEnv)
	if !ok {
		return
	}
	var j job
	err := json.Unmarshal([]byte(spec), &j)
	os.Unsetenv(guardEnv)
	switch {
	case err != nil:
	case !j.Second:
		// Close the descriptors that COMMAND inherits: the guard would keep a pipe open,
		// or a lock held, for too long.
		if err = unix.CloseRange(guardReport+1, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
			err = fmt.Errorf("close_range, which needs Linux 5.11: %w", err)
			break
		}
		j.Second = true
		_, err = j.spawn(0, 1, 2, guardAnswer, guardReport)
	default:
		err = guard(j)
	}
	if err != nil {
		answer(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// answer answers the process that becomes COMMAND.
func answer(text string) {
	unix.Write(guardAnswer, []byte(text))
	unix.Close(guardAnswer)
}
