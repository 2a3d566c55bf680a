package ring

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fake stands for the kernel: its queues lie in a memfd, and enter is a function of the
// test.
type fake struct {
	*Ring
	t     *testing.T
	first uint32 // the first value of the four counters
	enter func(f *fake, submit, complete, flags uint32) (int, unix.Errno)
}

// newFake makes a ring on a fake kernel.
func newFake(t *testing.T, entries int, f *fake) *fake {
	t.Helper()
	f.t = t
	f.Ring = openWith(t, entries, kernel{
		setup: f.setup,
		enter: func(_ int, submit, complete, flags uint32) (int, unix.Errno) {
			return f.enter(f, submit, complete, flags)
		},
	})
	return f
}

func (f *fake) setup(entries uint32, p *params) (int, unix.Errno) {
	fd, err := unix.MemfdCreate("ring", unix.MFD_CLOEXEC)
	must(f.t, err)
	must(f.t, unix.Ftruncate(fd, offSubmissions+1<<20))
	*p = params{
		sqEntries: entries,
		cqEntries: 2 * entries,
		features:  featSingleMmap | featNoDrop | featNativeWorkers,
		sqOff:     submissionOffsets{head: 0, tail: 64, flags: 128, array: 1 << 16},
		cqOff:     completionOffsets{head: 192, tail: 256, cqes: 512},
	}
	for _, counter := range []uint32{p.sqOff.head, p.sqOff.tail, p.cqOff.head, p.cqOff.tail} {
		_, err := unix.Pwrite(fd, (*[4]byte)(unsafe.Pointer(&f.first))[:], int64(counter))
		must(f.t, err)
	}
	return fd, 0
}

// take takes the next submission, by its index in the submission queue.
func (f *fake) take() submission {
	f.t.Helper()
	head := atomic.LoadUint32(f.sqHead)
	if head == atomic.LoadUint32(f.sqTail) {
		f.t.Fatal("the submission queue is empty")
	}
	const array = 1 << 16
	s := f.submissions[*f.word(array + 4*(head%uint32(len(f.submissions))))]
	atomic.StoreUint32(f.sqHead, head+1)
	return s
}

// post puts a completion into the completion queue.
func (f *fake) post(tag uint64, res int32) {
	f.t.Helper()
	tail := atomic.LoadUint32(f.cqTail)
	if tail-atomic.LoadUint32(f.cqHead) == uint32(len(f.completions)) {
		f.t.Fatal("the completion queue is full")
	}
	f.completions[tail%uint32(len(f.completions))] = completion{userData: tag, res: res}
	atomic.StoreUint32(f.cqTail, tail+1)
}

// complete returns an enter that completes every submission with res.
func complete(res int32) func(*fake, uint32, uint32, uint32) (int, unix.Errno) {
	return func(f *fake, submit, _, _ uint32) (int, unix.Errno) {
		for range submit {
			f.post(f.take().userData, res)
		}
		return int(submit), 0
	}
}
