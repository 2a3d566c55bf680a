package mutator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
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
	fd, mem, err := share(cfg.Size)
	if err != nil {
		return nil, fmt.Errorf("mutator: shared memory of %d bytes: %w", cfg.Size, err)
	}
	defer unix.Close(fd)
	m := &Mutator{cfg: cfg, ctl: (*control)(unsafe.Pointer(&mem[0])), buf: mem[controlBytes:], ended: make(chan struct{})}
	if prepare := kinds[cfg.Kind].prepare; prepare != nil {
		prepare(m.buf)
	} else {
		kinds[cfg.Kind].fill(m.buf)
	}
	unmap := func() error { return unix.Munmap(mem) }
	switch {
	case cfg.Kind == None:
		m.finish = unmap
		return m, nil
	case cfg.In == Thread:
		m.startThread(unmap)
	default:
		if err := m.startProcess(fd, unmap); err != nil {
			unmap()
			return nil, fmt.Errorf("mutator: %w", err)
		}
	}
	if err := m.awaitReady(); err != nil {
		m.stop()
		return nil, errors.Join(fmt.Errorf("mutator: %w", err), m.finish())
	}
	return m, nil
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

func (m *Mutator) startThread(unmap func() error) {
	go func() {
		defer close(m.ended)
		run(m.ctl, m.buf, m.cfg)
	}()
	m.finish = func() error {
		<-m.ended
		return unmap()
	}
}

func (m *Mutator) startProcess(fd int, unmap func() error) error {
	if _, child := os.LookupEnv(childEnv); child { // its own child, and so on without end
		return errors.New("the program must call mutator.Main first thing in main")
	}
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
	go func() {
		defer close(m.ended)
		err := child.Wait()
		if m.ctl.stop.Load() == 0 {
			m.why = fmt.Errorf("%w: %s", ErrDied, strings.TrimSpace(fmt.Sprint(err, " ", lastLine(said.String()))))
		}
	}()
	m.finish = func() error {
		life.Close()
		select {
		case <-m.ended:
		case <-time.After(time.Second): // stopped, or worse
			child.Process.Kill()
			<-m.ended
		}
		return unmap()
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

// Main is the child's main. In any other process it returns at once.
func Main() {
	spec, child := os.LookupEnv(childEnv)
	if !child {
		return
	}
	// The parent ends us when its verdict is done, nobody else.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
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
