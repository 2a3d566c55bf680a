package mutator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// The child finds its Config in the environment variable childEnv, the memory at
// descriptor 3, and at descriptor 4 a pipe that ends with its parent.
const (
	childEnv    = "STABLEWRITE_MUTATOR"
	childMemory = 3
	childLife   = 4
)

const controlBytes = 4096

// Start makes a buffer and starts a mutator on it; None starts nothing. The caller
// must Close it.
func Start(cfg Config) (*Mutator, error) {
	if cfg.Size <= 0 || cfg.Size%4096 != 0 {
		return nil, fmt.Errorf("mutator: a buffer of %d bytes: use a multiple of 4096", cfg.Size)
	}
	inProcess := cfg.In == Process && cfg.Kind != None
	shared, err := sharedMemory(inProcess, cfg.Size)
	var mem []byte
	if err == nil {
		defer shared.Close() // of a nil File it does nothing
		mem, err = mapMemory(shared, cfg.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("mutator: memory of %d bytes: %w", cfg.Size, err)
	}
	m := &Mutator{
		cfg: cfg, ctl: (*control)(unsafe.Pointer(&mem[0])), buf: mem[controlBytes:],
		ended: make(chan struct{}), end: func() {}, unmap: func() error { return unix.Munmap(mem) },
	}
	kinds[cfg.Kind].fill(m.buf, 0)
	switch {
	case inProcess:
		err = m.startProcess(shared)
	case cfg.Kind != None:
		go func() {
			defer close(m.ended)
			run(m.ctl, m.buf, cfg)
		}()
		m.end = func() { <-m.ended }
		err = m.awaitReady()
	}
	if err != nil {
		m.stop()
		m.end()
		return nil, errors.Join(fmt.Errorf("mutator: %w", err), m.unmap())
	}
	return m, nil
}

// sharedMemory makes a file of memory that another process can map, and returns nil if
// none will. The file cannot shrink: that would kill the processes that have it mapped.
func sharedMemory(wanted bool, size int) (*os.File, error) {
	if !wanted {
		return nil, nil
	}
	fd, err := unix.MemfdCreate("stablewrite-buffer", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "memfd")
	if err = f.Truncate(int64(controlBytes + size)); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		f.Close()
	}
	return f, err
}

// mapMemory maps the control page and the buffer from f. If f is nil, the memory is
// private, and the kernel can track it.
func mapMemory(f *os.File, size int) ([]byte, error) {
	fd, flags := -1, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS
	if f != nil {
		fd, flags = int(f.Fd()), unix.MAP_SHARED
	}
	return unix.Mmap(fd, 0, controlBytes+size, unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_POPULATE)
}

// startProcess starts the child and waits until it runs. Ctrl-C goes to the whole process
// group, and may end a new child before the child ignores the signal. Then startProcess
// starts another child, and the parent ends with its verdict, as the signal asks.
func (m *Mutator) startProcess(memory *os.File) error {
	for tries := 0; ; tries++ {
		err := m.startChild(memory)
		if err == nil {
			err = m.awaitReady()
		}
		if err == nil || tries == 10 || !errors.Is(err, errSignalled) {
			return err
		}
		m.end()
	}
}

// errSignalled is the error of a child that ended by a signal that asks for an end.
var errSignalled = errors.New("ended by a signal")

func (m *Mutator) startChild(memory *os.File) error {
	if _, child := os.LookupEnv(childEnv); child { // it would start a child, and so on without end
		return errors.New("the program must call mutator.Main first in main")
	}
	spec, err := json.Marshal(m.cfg)
	if err != nil {
		return err
	}
	lifeEnd, life, err := os.Pipe()
	if err != nil {
		return err
	}
	defer lifeEnd.Close()
	var said bytes.Buffer
	child := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{os.Args[0]},
		Env:        append(os.Environ(), childEnv+"="+string(spec)),
		ExtraFiles: []*os.File{memory, lifeEnd},
		Stderr:     &said,
		// Ctrl-C goes to the process group of the terminal. The parent ends this child
		// after its verdict.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := child.Start(); err != nil {
		life.Close()
		return fmt.Errorf("start this program again: %w", err)
	}
	ended := make(chan struct{})
	m.ended, m.why = ended, nil
	go func() {
		defer close(ended)
		err := child.Wait()
		if m.ctl.stop.Load() != 0 {
			return
		}
		m.why = fmt.Errorf("%w: %s", ErrDied, strings.TrimSpace(fmt.Sprint(err, " ", lastLine(said.String()))))
		var exit *exec.ExitError
		if errors.As(err, &exit) && slices.Contains(ignored, os.Signal(exit.Sys().(syscall.WaitStatus).Signal())) {
			m.why = fmt.Errorf("%w: %w", m.why, errSignalled)
		}
	}()
	m.end = func() {
		life.Close()
		select {
		case <-ended:
		case <-time.After(time.Second): // it may be stopped
			child.Process.Kill()
			<-ended
		}
	}
	return nil
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

// ignored are the signals that ask for an end. Only the parent ends a child.
var ignored = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// Main is the main function of the child. In any other process it returns at once.
func Main() {
	spec, child := os.LookupEnv(childEnv)
	if !child {
		return
	}
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
	mem, err := mapMemory(os.NewFile(childMemory, "memfd"), cfg.Size)
	if err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.NewFile(childLife, "pipe"))
		os.Exit(0)
	}()
	run((*control)(unsafe.Pointer(&mem[0])), mem[controlBytes:], cfg)
	return nil
}
