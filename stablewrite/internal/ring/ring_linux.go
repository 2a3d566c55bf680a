package ring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is an io_uring. New makes it.
type Ring struct {
	kernel
	fd       int
	inFlight int // submitted and not yet reaped

	queueMap, submissionMap []byte
	submissions             []submission
	completions             []completion

	// The kernel moves sqHead and cqTail, and sets sqFlags. The submitter moves
	// sqTail, Reap moves cqHead.
	sqHead, sqTail, sqFlags *uint32
	cqHead, cqTail          *uint32
}

// ErrFull is returned by a submission if as many are in flight as fit in the completion
// queue. Reap one, and submit again.
var ErrFull = errors.New("ring: as many submissions are in flight as there is room for completions")

// Write submits a write of p at off. Its result is that of pwrite(2), or -errno.
func (r *Ring) Write(fd int, p []byte, off int64, tag uint64) error {
	return r.write(opWrite, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p), off, tag)
}

// Writev submits a write of the parts of iov, one after another, at off. Its result is
// that of pwritev(2), or -errno.
func (r *Ring) Writev(fd int, iov []unix.Iovec, off int64, tag uint64) error {
	return r.write(opWritev, fd, unsafe.Pointer(unsafe.SliceData(iov)), len(iov), off, tag)
}

// Nop submits an operation that does nothing. Its result is 0.
func (r *Ring) Nop(tag uint64) error {
	return r.submit(submission{opcode: opNop, fd: -1, userData: tag})
}

// write submits a write of n bytes or parts at addr. It refuses offset -1, which the
// kernel takes for the position of the file. The kernel writes at most MAX_RW_COUNT bytes
// (include/linux/fs.h), less than MaxInt32, of any buffer.
func (r *Ring) write(opcode uint8, fd int, addr unsafe.Pointer, n int, off int64, tag uint64) error {
	if off < 0 {
		return fmt.Errorf("ring: write at %d: %w", off, unix.EINVAL)
	}
	return r.submit(submission{
		opcode:   opcode,
		fd:       int32(fd),
		off:      uint64(off),
		addr:     uint64(uintptr(escape(addr))),
		len:      uint32(min(n, math.MaxInt32)),
		userData: tag,
	})
}

// submit hands s to the kernel. Afterwards the head of the submission queue tells
// whether the kernel took s. The result of the system call does not: an error, such as
// EINTR, can come from later work of the same call. submit withdraws a submission that
// was not taken, so the queue is empty at every call.
func (r *Ring) submit(s submission) error {
	if r.inFlight >= len(r.completions) {
		return ErrFull
	}
	tail := atomic.LoadUint32(r.sqTail)
	r.submissions[tail&uint32(len(r.submissions)-1)] = s
	atomic.StoreUint32(r.sqTail, tail+1)
	for {
		_, errno := r.enter(r.fd, 1, 0, 0)
		switch {
		case atomic.LoadUint32(r.sqHead) == tail+1:
			r.inFlight++
			return nil
		case errno == unix.EINTR:
			continue
		case errno == 0:
			errno = unix.EAGAIN // the kernel says only that it has taken nothing
		}
		atomic.StoreUint32(r.sqTail, tail)
		return fmt.Errorf("ring: %w", os.NewSyscallError("io_uring_enter", errno))
	}
}

// Wait blocks until there is a completion to reap. With nothing in flight it
// blocks until something is submitted and completes.
func (r *Ring) Wait() error {
	for r.empty() {
		switch _, errno := r.enter(r.fd, 0, 1, enterGetEvents); errno {
		case 0:
			return nil // another goroutine may have reaped it by now
		case unix.EINTR:
		default:
			return fmt.Errorf("ring: %w", os.NewSyscallError("io_uring_enter", errno))
		}
	}
	return nil
}

// Reap takes the next completion, and reports whether there was one. It makes no
// system call, unless the kernel says that completions did not fit into the queue.
func (r *Ring) Reap() (tag uint64, res int32, ok bool) {
	if r.empty() && !r.unspill() {
		return 0, 0, false
	}
	head := atomic.LoadUint32(r.cqHead)
	c := r.completions[head&uint32(len(r.completions)-1)]
	atomic.StoreUint32(r.cqHead, head+1) // from here on the kernel may overwrite the entry
	r.inFlight--
	return c.userData, c.res, true
}

// unspill makes the kernel move completions to the queue that did not fit there, and
// reports whether there is one now. The bound of submit keeps the queue from being full,
// but if the kernel says that it was, unspill believes it.
func (r *Ring) unspill() bool {
	if atomic.LoadUint32(r.sqFlags)&sqOverflow == 0 {
		return false
	}
	r.enter(r.fd, 0, 0, enterGetEvents) // Wait returns the error, if any
	return !r.empty()
}

// empty reports whether the completion queue is empty.
func (r *Ring) empty() bool { return atomic.LoadUint32(r.cqHead) == atomic.LoadUint32(r.cqTail) }

// Close unmaps and closes the ring. If something is in flight it returns an error and
// leaves the ring open, because the kernel would not wait.
func (r *Ring) Close() error {
	if r.fd < 0 {
		return fmt.Errorf("ring: %w", os.ErrClosed)
	}
	if r.inFlight > 0 {
		return fmt.Errorf("ring: close with %d submissions in flight", r.inFlight)
	}
	return r.release()
}

// escape makes the compiler place the memory that p points to on the heap. A conversion
// to uintptr alone would let it stay on the stack, which moves. The store never runs,
// because escaped is nil; the compiler does not know that.
func escape(p unsafe.Pointer) unsafe.Pointer {
	if escaped != nil {
		escaped = p
	}
	return p
}

var escaped unsafe.Pointer
