package aio

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Context has one write in flight at a time. It is for one goroutine at a time.
type Context struct {
	id  uintptr // aio_context_t
	cb  iocb
	pin runtime.Pinner // the kernel holds cb and the memory until the completion
}

// iocb and ioEvent mirror those of include/uapi/linux/aio_abi.h on little-endian machines.
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

// Direct reports whether a descriptor has O_DIRECT. The descriptor of a file that was
// opened with O_DIRECT lacks it if another program took it away.
func Direct(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_DIRECT != 0
}

// DirectIn is [Direct] for a descriptor of any process, by its file in fdinfo (proc(5)). It
// reads the file once, because callers look at every descriptor.
func DirectIn(fdinfo string) bool {
	var b [256]byte
	fd, err := unix.Open(fdinfo, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	n, _ := unix.Read(fd, b[:])
	_, rest, _ := strings.Cut(string(b[:max(n, 0)]), "flags:")
	line, _, _ := strings.Cut(rest, "\n")
	flags, _ := strconv.ParseInt(strings.TrimSpace(line), 8, 64)
	return flags&unix.O_DIRECT != 0
}

// New makes a Context. The caller must Close it.
func New() (*Context, error) {
	c := new(Context)
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&c.id)), 0); errno != 0 {
		return nil, fmt.Errorf("io_setup, which a change in flight needs: %w", errno)
	}
	return c, nil
}

// maxTries is how often Submit repeats a submission, a millisecond apart.
const maxTries = 1000

// Submit returns when the kernel has accepted a write of p to f at off. Unless it
// returns an error, the caller must Reap.
func (c *Context) Submit(f *os.File, p []byte, off int64) error {
	c.cb = iocb{
		opcode: pwriteCommand, fildes: uint32(f.Fd()),
		buf: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), nbytes: uint64(len(p)), offset: off,
	}
	c.pin.Pin(&c.cb)
	c.pin.Pin(unsafe.SliceData(p))
	list := [1]*iocb{&c.cb}
	for tries := 0; ; tries++ {
		_, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, c.id, 1, uintptr(unsafe.Pointer(&list)))
		if errno == 0 {
			return nil
		}
		if tries == maxTries || errno != unix.EINTR && errno != unix.EAGAIN {
			c.pin.Unpin()
			return errno
		}
		time.Sleep(time.Millisecond) // EAGAIN: the kernel's room for requests is full
	}
}

// Reap waits for the completion, without a limit: until then the kernel uses the
// memory. It returns the results of pwrite(2).
func (c *Context) Reap() (int, error) {
	defer c.pin.Unpin()
	var ev ioEvent
	for {
		n, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, c.id, 1, 1, uintptr(unsafe.Pointer(&ev)), 0, 0)
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

// Close frees the resources of the kernel.
func (c *Context) Close() { unix.Syscall(unix.SYS_IO_DESTROY, c.id, 0, 0) }
