//go:build amd64 || arm64

package guard

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracer guards a program. One thread waits for stops of the program and continues it;
// another thread looks at its descriptors.
type tracer struct {
	job
	thread  int                     // that traces
	inCall  map[int]unix.PtraceRegs // by thread in a call that enter changed: its registers before that
	started bool                    // COMMAND runs
	records *os.File                // the report

	processes sync.Map // that are guarded, by PID
	mu        sync.Mutex
	tally     tally
}

// guard guards until the last process of the program has ended.
func guard(j job) error {
	os.WriteFile("/proc/self/comm", []byte("stablewrite"), 0) // the kernel has named it "exe"
	runtime.LockOSThread()                                    // only the thread that traces may call ptrace
	// A service manager may signal all processes of a service, and the program may open
	// files while it ends.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	options := unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEEXEC |
		unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE
	if j.Process == 1 { // when the first process of a PID namespace ends, the guard is killed
		options |= unix.PTRACE_O_TRACEEXIT
	}
	if err := ptrace(unix.PTRACE_SEIZE, j.Thread, 0, uintptr(options)); err != nil {
		return errors.New(whyNot(err))
	}
	t := &tracer{
		job: j, records: os.NewFile(guardReport, "report"), thread: unix.Gettid(),
		inCall: map[int]unix.PtraceRegs{}, tally: newTally(),
	}
	answer("ok")
	go t.lookNowAndThen()
	for {
		tid, ended, err := await()
		switch {
		case err == unix.EINTR:
			continue
		case err != nil: // ECHILD: no process is left
			if t.started {
				t.report()
			}
			return nil
		case ended && tid == j.Process && t.started:
			// The parent of COMMAND does not know yet that COMMAND has ended: the report
			// comes before the next prompt.
			t.report()
		}
		var ws unix.WaitStatus
		if _, err := unix.Wait4(tid, &ws, unix.WALL, nil); err != nil {
			continue
		}
		if ws.Stopped() {
			t.stopped(tid, ws)
		} else {
			delete(t.inCall, tid)
			t.processes.Delete(tid)
		}
	}
}

// await waits for a thread to stop or end, and leaves its status for Wait4.
func await() (tid int, ended bool, err error) {
	var info struct { // siginfo_t
		signo, errno, code, _ int32
		pid                   int32
		_                     [108]byte
	}
	err = unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT|unix.WALL, nil)
	const exited, killed, dumped = 1, 2, 3 // CLD_*
	return int(info.pid), info.code == exited || info.code == killed || info.code == dumped, err
}

// stopped handles a stop of a thread, and continues the thread. Errors are ignored: the
// only cause is that the thread was killed, which the next wait tells.
func (t *tracer) stopped(tid int, ws unix.WaitStatus) {
	if t.started {
		t.mu.Lock()
		t.tally.stops++
		t.mu.Unlock()
	}
	sig, event := int(ws.StopSignal()), int(ws)>>16
	request := unix.PTRACE_CONT
	switch {
	case event == unix.PTRACE_EVENT_SECCOMP:
		if t.enter(tid) {
			request = unix.PTRACE_SYSCALL // stop again when the call returns
		}
	case event == 0 && sig == int(unix.SIGTRAP)|0x80:
		t.leave(tid)
	case event == unix.PTRACE_EVENT_FORK, event == unix.PTRACE_EVENT_VFORK, event == unix.PTRACE_EVENT_CLONE:
		if child, err := unix.PtraceGetEventMsg(tid); err == nil {
			t.born(int(child))
		}
	case event == unix.PTRACE_EVENT_EXEC:
		if former, err := unix.PtraceGetEventMsg(tid); err == nil {
			delete(t.inCall, int(former))
		}
		delete(t.inCall, tid)
		t.started = t.started || tid == t.Process
		t.born(tid)
		t.look(tid)
	case event == unix.PTRACE_EVENT_EXIT && tid == t.Process:
		t.report()
	case event == unix.PTRACE_EVENT_STOP && sig != int(unix.SIGTRAP):
		request = unix.PTRACE_LISTEN // stopped as by SIGSTOP, until SIGCONT
	case event == 0:
		ptrace(unix.PTRACE_CONT, tid, 0, uintptr(sig)) // a signal: deliver it
		return
	}
	ptrace(request, tid, 0, 0)
}

// born adds a process. It does not add a thread that is not the first of its process.
func (t *tracer) born(tid int) {
	if err := unix.Tgkill(tid, tid, 0); err == nil || err == unix.EPERM {
		t.processes.Store(tid, true)
	}
}

func ptrace(request, tid int, addr, data uintptr) error {
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// whyNot says why a process cannot be traced, and what to do.
func whyNot(err error) string {
	const yama = "/proc/sys/kernel/yama/ptrace_scope"
	scope := strings.TrimSpace(readFile(yama))
	if err == unix.EPERM && (scope == "2" || scope == "3") {
		return fmt.Sprintf("tracing is restricted on this machine (%s is %s): set it to 1, or at 2 run as root", yama, scope)
	}
	return fmt.Sprintf("this process cannot be traced (%v): a container needs --cap-add SYS_PTRACE, or a seccomp profile that permits ptrace", err)
}
