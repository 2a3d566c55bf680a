package repro

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"stablepages/bench/mutator"
	"stablepages/stablewrite"
)

// gate is a Device on which every submission is changed under while it is in
// flight: io_submit, change, io_getevents. It is for one submission at a time.
type gate struct {
	f      *os.File
	geo    stablewrite.Geometry
	ctx    uintptr // aio_context_t
	shared []byte  // the buffer that the mutator changes
	m      *mutator.Mutator
	landed func(int) error // Config.Landed, or nil
	made   int             // changes made in flight, in this write
	calls  int             // submissions, in this write
	broken error           // the mutator's or landed's, which is no error of a write
}

// begin is called before each write.
func (g *gate) begin() { g.made, g.calls = 0, 0 }

// opens reports whether the buffer is to be changed under a submission of p:
// under every one of the buffer itself, and under the first one of a write,
// whatever its memory. What a resubmission of private memory would show, the
// first has shown.
func (g *gate) opens(p []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	base := uintptr(unsafe.Pointer(unsafe.SliceData(g.shared)))
	return g.calls == 1 || at >= base && at < base+uintptr(len(g.shared))
}

// iocb and ioEvent are the kernel's, include/uapi/linux/aio_abi.h, for
// little-endian machines.
type iocb struct {
	_      uint64 // aio_data
	_, _   uint32 // aio_key, aio_rw_flags
	opcode uint16
	_      int16 // aio_reqprio
	fildes uint32
	buf    uint64
	nbytes uint64
	offset int64
	_      uint64 // aio_reserved2
	_, _   uint32 // aio_flags, aio_resfd
}

type ioEvent struct {
	_, _ uint64 // data, obj
	res  int64
	_    int64 // res2
}

const pwriteCommand = 1 // IOCB_CMD_PWRITE

// newGate opens the target once more, directly if direct, as geo was learned.
func newGate(cfg Config, direct bool, geo stablewrite.Geometry, m *mutator.Mutator) (*gate, error) {
	f, err := Reopen(cfg.Target, os.O_RDWR, direct)
	if err != nil {
		return nil, err
	}
	g := &gate{f: f, geo: geo, shared: m.Buffer(), m: m, landed: cfg.Landed}
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&g.ctx)), 0); errno != 0 {
		f.Close()
		return nil, fmt.Errorf("io_setup, which the gate needs: %w", errno)
	}
	return g, nil
}

// maxTries bounds how often a submission is repeated, a millisecond apart.
const maxTries = 1000

func (g *gate) WriteAt(p []byte, off int64) (int, error) {
	cb := &iocb{
		opcode: pwriteCommand, fildes: uint32(g.f.Fd()),
		buf: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), nbytes: uint64(len(p)), offset: off,
	}
	var pin runtime.Pinner // the kernel holds both until the completion
	defer pin.Unpin()
	pin.Pin(cb)
	pin.Pin(unsafe.SliceData(p))
	list := [1]*iocb{cb}
	if err := g.m.Rouse(); err != nil {
		g.broken = errors.Join(g.broken, err)
		return 0, err
	}
	for tries := 0; ; tries++ {
		_, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, g.ctx, 1, uintptr(unsafe.Pointer(&list)))
		if errno == 0 {
			break
		}
		if tries == maxTries || errno != unix.EINTR && errno != unix.EAGAIN {
			return 0, errno
		}
		time.Sleep(time.Millisecond) // EAGAIN: the kernel's room for requests is full
	}
	if g.calls++; g.opens(p) {
		changed, err := g.m.Change()
		if changed {
			g.made++
		}
		g.broken = errors.Join(g.broken, err)
	}
	n, err := g.reap()
	g.broken = errors.Join(g.broken, g.m.Restored())
	if g.landed != nil {
		g.broken = errors.Join(g.broken, g.landed(g.calls))
	}
	return n, errors.Join(err, g.broken)
}

// reap waits for the completion, for ever: until then the memory is the
// kernel's.
func (g *gate) reap() (int, error) {
	var ev ioEvent
	for {
		n, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, g.ctx, 1, 1, uintptr(unsafe.Pointer(&ev)), 0, 0)
		switch {
		case errno == unix.EINTR || errno == 0 && n == 0:
			continue
		case errno != 0:
			return 0, errno
		case ev.res < 0:
			return 0, unix.Errno(-ev.res)
		}
		return int(ev.res), nil
	}
}

func (g *gate) ReadAt(p []byte, off int64) (int, error) { return g.f.ReadAt(p, off) }
func (g *gate) Sync() error                             { return g.f.Sync() }
func (g *gate) Geometry() stablewrite.Geometry          { return g.geo }

func (g *gate) Close() error {
	unix.Syscall(unix.SYS_IO_DESTROY, g.ctx, 0, 0)
	return g.f.Close()
}
