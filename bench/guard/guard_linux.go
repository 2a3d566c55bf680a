//go:build amd64 || arm64

package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The guard is this program again. It is started twice, so that it is nobody's
// child when the program runs: a program that waits for any child must not find
// one that it never started. Descriptor 3 is the pipe that it answers on, 4 the
// report.
const (
	guardEnv    = "STABLEWRITE_GUARD"
	guardAnswer = 3
	guardReport = 4
)

// job is what a guard is told, in its environment.
type job struct {
	Process, Thread int // to guard: the one that becomes COMMAND
	Report, JSON    bool
	Second          bool // started twice already
}

// Exec becomes COMMAND, guarded: argv is its arguments, the first of them its
// name. It returns only if it cannot.
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
		comm, _ := os.ReadFile("/proc/" + by + "/comm")
		return &Error{CodeCannotGuard, fmt.Errorf("process %s (%s) traces this one already, as a debugger or another guard, and there can be only one: run COMMAND outside of it", by, strings.TrimSpace(string(comm)))}
	}
	// Where Yama restricts tracing to descendants, the guard needs leave.
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

// start starts the guard of this thread and returns when it guards.
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
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			break
		}
	}
	answer, err := io.ReadAll(answers)
	if text := strings.TrimSpace(string(answer)); err == nil && text != "ok" {
		err = errors.New(text)
		if text == "" {
			err = errors.New("the guard died before it guarded: it may have no memory here, or no processes left (ulimit -u, -v)")
		}
	}
	return err
}

// spawn starts this program as a guard, with these descriptors from 0 on.
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

// Main is the guard's main. In any other process it returns at once.
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
		// What the program inherited is none of the guard's: an open pipe or a lock
		// would last longer here.
		if err = unix.CloseRange(guardReport+1, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
			err = fmt.Errorf("close_range, which Linux has from 5.11 on: %w", err)
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

// answer tells the process that becomes COMMAND how things are.
func answer(text string) {
	unix.Write(guardAnswer, []byte(text))
	unix.Close(guardAnswer)
}

// statusField is a field of a file like /proc/PID/status, "" if there is none.
func statusField(file, name string) string {
	status, _ := os.ReadFile(file)
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
