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

// kernel has the two system calls of a ring.
type kernel struct {
	setup func(entries uint32, p *params) (fd int, errno unix.Errno)
	enter func(fd int, submit, complete, flags uint32) (submitted int, errno unix.Errno)
}

// linux calls the kernel. Both calls may block, so the scheduler must know of
// them: no RawSyscall.
var linux = kernel{
	setup: func(entries uint32, p *params) (int, unix.Errno) {
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
		return int(fd), errno
	},
	enter: func(fd int, submit, complete, flags uint32) (int, unix.Errno) {
		n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(fd), uintptr(submit), uintptr(complete), uintptr(flags), 0, 0)
		return int(n), errno
	},
}

// New makes a ring whose submission queue has at least the given number of entries; the
// kernel rounds up to a power of two. The error wraps the errno of the kernel (EPERM,
// ENOSYS, ENOMEM, EMFILE, EINVAL and others), or errors.ErrUnsupported if the kernel is
// older than Linux 5.12.
func New(entries int) (*Ring, error) { return newRing(entries, linux) }

// newRing sets no flag of IORING_SETUP_*: with COOP_TASKRUN, SINGLE_ISSUER and
// DEFER_TASKRUN a submission completes only when the thread that submitted it
// enters the kernel, and a goroutine does not stay on its thread.
func newRing(entries int, k kernel) (*Ring, error) {
	var p params
	fd, errno := k.setup(uint32(min(uint64(entries), math.MaxUint32)), &p)
	if errno != 0 {
		return nil, fmt.Errorf("ring: %w", os.NewSyscallError("io_uring_setup", errno))
	}
	r := &Ring{kernel: k, fd: fd}
	if err := r.mapQueues(&p); err != nil {
		return nil, fmt.Errorf("ring: %w", errors.Join(err, r.release()))
	}
	return r, nil
}

func (r *Ring) mapQueues(p *params) (err error) {
	const needed = featSingleMmap | featNoDrop | featNativeWorkers
	if p.features&needed != needed {
		return fmt.Errorf("io_uring before Linux 5.12 (features %#x): %w", p.features, errors.ErrUnsupported)
	}
	const access, shared = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	size := max(p.sqOff.array+p.sqEntries*uint32(unsafe.Sizeof(uint32(0))), p.cqOff.cqes+p.cqEntries*uint32(unsafe.Sizeof(completion{})))
	if r.queueMap, err = unix.Mmap(r.fd, offQueues, int(size), access, shared); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	if r.submissionMap, err = unix.Mmap(r.fd, offSubmissions, int(p.sqEntries)*int(unsafe.Sizeof(submission{})), access, shared); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	r.sqHead, r.sqTail, r.sqFlags = r.word(p.sqOff.head), r.word(p.sqOff.tail), r.word(p.sqOff.flags)
	r.cqHead, r.cqTail = r.word(p.cqOff.head), r.word(p.cqOff.tail)
	r.submissions = unsafe.Slice((*submission)(unsafe.Pointer(&r.submissionMap[0])), p.sqEntries)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.queueMap[p.cqOff.cqes])), p.cqEntries)
	// The submission queue holds indices of submissions. The nth entry always is the nth
	// submission, so the kernel never finds an index that it would drop.
	for i := range p.sqEntries {
		atomic.StoreUint32(r.word(p.sqOff.array+i*uint32(unsafe.Sizeof(i))), i)
	}
	return nil
}

// word returns a word that is shared with the kernel, at an offset that it returned.
func (r *Ring) word(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.queueMap[offset])) }

// release unmaps the queues, and closes the descriptor.
func (r *Ring) release() error {
	var errs []error
	for _, m := range [][]byte{r.queueMap, r.submissionMap} {
		if m != nil {
			errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(m)))
		}
	}
	errs = append(errs, os.NewSyscallError("close", unix.Close(r.fd)))
	r.queueMap, r.submissionMap, r.fd = nil, nil, -1
	return errors.Join(errs...)
}
