package stablewrite

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// movingMemory is memory that changes while it is written: mapped from a memfd
// that processes share, so that neither Go nor its race detector knows of it.
// Every store is of a value that was never in the memory before: content that came back
// would be an A-B-A change, which Verify does not see.
type movingMemory struct {
	p       []byte
	process uint64 // 0 or 1: which of those that share it stores
	version atomic.Uint64
	stop    atomic.Bool
	done    chan struct{}
}

// newMemfd returns a memfd of n bytes.
func newMemfd(n int) (fd int, err error) {
	fd, err = unix.MemfdCreate("stablewrite-test", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	return fd, unix.Ftruncate(fd, int64(n))
}

// move maps the n bytes of a memfd and begins to change them. No two calls for
// one memfd and process have the same era.
func move(fd, n int, process, era uint64) (*movingMemory, error) {
	p, err := unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, err
	}
	m := &movingMemory{p: p, process: process, done: make(chan struct{})}
	m.version.Store(era << 40)
	go m.run(rand.New(rand.NewPCG(era, process)))
	return m, nil
}

// run stores in bursts with pauses of any length in between, so that writes see
// many changes, few or none.
func (m *movingMemory) run(rng *rand.Rand) {
	defer close(m.done)
	for !m.stop.Load() {
		for range 1 + rng.IntN(64) {
			m.step(8 * rng.IntN(len(m.p)/8))
		}
		time.Sleep(time.Duration(rng.IntN(100)) * time.Microsecond)
	}
}

// step stores a value that is new to every process.
func (m *movingMemory) step(at int) {
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&m.p[at])), m.version.Add(1)<<1|m.process)
}

// close ends the changes and unmaps.
func (m *movingMemory) close() error {
	m.stop.Store(true)
	<-m.done
	return unix.Munmap(m.p)
}

// movingBuffer is movingMemory of one test.
func movingBuffer(t *testing.T, n int) []byte {
	t.Helper()
	fd, err := newMemfd(n)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	m, err := move(fd, n, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.close() })
	return m.p
}
