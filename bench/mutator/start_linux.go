package mutator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The child finds its Config in this variable of its environment, the buffer at
// descriptor 3 and its life line, a pipe that ends with its parent, at 4.
const (
	childEnv    = "STABLEWRITE_MUTATOR"
	childMemory = 3
	childLife   = 4
)

const controlBytes = 4096

// Start makes a buffer and starts a mutator on it; None starts nothing. Close
// it.
func Start(cfg Config) (*Mutator, error) {
	if cfg.Size <= 0 || cfg.Size%4096 != 0 {
		return nil, fmt.Errorf("mutator: the size of the buffer is %d, not a multiple of 4096", cfg.Size)
	}
	fd, mem, err := memory(cfg)
	if err != nil {
		return nil, fmt.Errorf("mutator: memory of %d bytes: %w", cfg.Size, err)
	}
	defer unix.Close(fd)
	m := &Mutator{
		cfg: cfg, ctl: (*control)(unsafe.Pointer(&mem[0])), buf: mem[controlBytes:],
		end: func() {}, unmap: func() error { return unix.Munmap(mem) },
	}
	if prepare := kinds[cfg.Kind].prepare; prepare != nil {
		prepare(m.buf)
	} else {
		kinds[cfg.Kind].fill(m.buf, 0)
	}
	switch {
	case cfg.Kind == None:
		m.ended = make(chan struct{})
	case cfg.In == Thread:
		m.startThread()
		err = m.awaitReady()
	default:
		err = m.startProcess(fd)
	}
	if err != nil {
		m.stop()
		m.end()
		return nil, errors.Join(fmt.Errorf("mutator: %w", err), m.unmap())
	}
	return m, nil
}

// memory is for the mutator and the writer: shared with another process, or, if that is
// not needed, of this process alone, which the kernel can track. The descriptor is
// then -1.
func memory(cfg Config) (fd int, mem []byte, err error) {
	if cfg.In == Process && cfg.Kind != None {
		return share(cfg.Size)
	}
	mem, err = unix.Mmap(-1, 0, controlBytes+cfg.Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	return -1, mem, err
}

// share makes memory that another process can map and nobody can shrink, a
// mapping that loses its pages would kill its users.
func share(size int) (fd int, mem []byte, err error) {
	fd, err = unix.MemfdCreate("stablewrite-buffer", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, nil, err
	}
	if err = unix.Ftruncate(fd, int64(controlBytes+size)); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err == nil {
		mem, err = mapShared(fd, controlBytes+size)
	}
	if err != nil {
		unix.Close(fd)
		return -1, nil, err
	}
	return fd, mem, nil
}

func mapShared(fd, n int) ([]byte, error) {
	return unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
}

func (m *Mutator) startThread() {
	m.ended = make(chan struct{})
	go func() {
		defer close(m.ended)
		run(m.ctl, m.buf, m.cfg)
	}()
	m.end = func() { <-m.ended }
}

// startProcess starts the child and waits until it runs. A signal that goes to
// the whole process group, as Ctrl-C does, may end a child that has just been
// born and does not ignore it yet: then there is another one, and the parent
// ends as the signal asks, with its verdict.
func (m *Mutator) startProcess(fd int) error {
	for tries := 0; ; tries++ {
		err := m.startChild(fd)
		if err == nil {
			err = m.awaitReady()
		}
		if err == nil || tries == 10 || !errors.Is(err, errSignalled) {
			return err
		}
		m.end()
	}
}

// errSignalled: the child ended by a signal that asks for an end.
var errSignalled = errors.New("ended by a signal")

func (m *Mutator) startChild(fd int) error {
	if _, child := os.LookupEnv(childEnv); child { // its own child, and so on without end
		return errors.New("the program must call mutator.Main first thing in main")
	}
	m.ended, m.why = make(chan struct{}), nil
	spec, err := json.Marshal(m.cfg)
	if err != nil {
		return err
	}
	memory, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	memoryFile := os.NewFile(uintptr(memory), "memfd")
	defer memoryFile.Close()
	lifeEnd, life, err := os.Pipe()
	if err != nil {
		return err
	}
	defer lifeEnd.Close()
	var said bytes.Buffer
	child := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{os.Args[0]},
		Env:        append(os.Environ(), childEnv+"="+string(spec)),
		ExtraFiles: []*os.File{memoryFile, lifeEnd},
		Stderr:     &said,
		// Ctrl-C goes to the process group of the terminal. This child ends when
		// its parent has said what there is to say.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := child.Start(); err != nil {
		life.Close()
		return fmt.Errorf("start this program again: %w", err)
	}
	ended := m.ended
	go func() {
		defer close(ended)
		err := child.Wait()
		if m.ctl.stop.Load() == 0 {
			m.why = fmt.Errorf("%w: %s", ErrDied, strings.TrimSpace(fmt.Sprint(err, " ", lastLine(said.String()))))
			if signalled(child.ProcessState) {
				m.why = fmt.Errorf("%w: %w", m.why, errSignalled)
			}
		}
	}()
	m.end = func() {
		life.Close()
		select {
		case <-ended:
		case <-time.After(time.Second): // stopped, or worse
			child.Process.Kill()
			<-ended
		}
	}
	return nil
}

// signalled reports whether a process ended by one of the signals that a child
// ignores once it runs.
func signalled(state *os.ProcessState) bool {
	if state == nil {
		return false
	}
	ws, ok := state.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && slices.Contains(ignored, os.Signal(ws.Signal()))
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

func (m *Mutator) awaitReady() error {
	for began := time.Now(); m.ctl.ready.Load() == 0; time.Sleep(100 * time.Microsecond) {
		if err := m.Err(); err != nil {
			return err
		}
		if time.Since(began) > patience {
			return errors.New("it did not start in time")
		}
	}
	return nil
}

// ignored are the signals that ask for an end.
var ignored = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// Main is the child's main. In any other process it returns at once.
func Main() {
	spec, child := os.LookupEnv(childEnv)
	if !child {
		return
	}
	// The parent ends us when its verdict is done, nobody else.
	signal.Ignore(ignored...)
	if err := childMain(spec); err != nil {
		fmt.Fprintln(os.Stderr, "mutator:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func childMain(spec string) error {
	var cfg Config
	if err := json.Unmarshal([]byte(spec), &cfg); err != nil {
		return err
	}
	if int(cfg.Kind) >= len(kinds) || kinds[cfg.Kind].new == nil || cfg.Size <= 0 {
		return fmt.Errorf("not a mutator: %s", spec)
	}
	mem, err := mapShared(childMemory, controlBytes+cfg.Size)
	if err != nil {
		return err
	}
	go func() {
		var b [1]byte
		for {
			if n, err := unix.Read(childLife, b[:]); n == 0 || err != nil && err != unix.EINTR {
				os.Exit(0)
			}
		}
	}()
	run((*control)(unsafe.Pointer(&mem[0])), mem[controlBytes:], cfg)
	return nil
}
