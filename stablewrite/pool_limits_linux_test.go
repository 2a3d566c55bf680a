package stablewrite

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// addressSpace returns the bytes that the process has mapped.
func addressSpace(t *testing.T) (pages int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(b), &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// mapsNothing calls do while the process may not map a slab. It may map a little, which
// the race detector needs.
func mapsNothing(t *testing.T, do func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &was); err != nil {
		t.Fatal(err)
	}
	now := was
	now.Cur = uint64(addressSpace(t) + hugePage)
	if err := unix.Setrlimit(unix.RLIMIT_AS, &now); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_AS, &was); err != nil {
			t.Error(err)
		}
	}()
	do()
}

// If memory cannot be mapped, a write waits until others return private memory. If nobody
// has any, the write gets some blocks of the Go heap, which the Pool does not keep.
func TestAMappingThatFailsEndsNothing(t *testing.T) {
	if !alone(t) {
		return
	}
	defer watch(t.Name(), time.Minute)()
	const size = 256 << 10
	pool := NewPool(4 << 20)
	d := newDisk(size)
	f := d.file(t, Options{Strategy: Bounce, Pool: pool})
	w := &Write{Buf: random(1, size), Sums: make([]uint32, size/kib4)}
	var err error
	mapsNothing(t, func() { err = f.Do(w) })
	if err != nil || w.Receipt.Submissions != size/kib4 {
		t.Errorf("%v: %+v", err, w.Receipt)
	}
	d.trueOf(t, w)
	if pool.copies.mapped != 0 || busyFile(f) {
		t.Errorf("%d bytes of the Go heap are kept", pool.copies.mapped)
	}

	var has, waits loan
	has.count, has.size, waits.count, waits.size = 1, kib4, 1, kib4
	waits.turn = make(chan struct{}, 1)
	mapsNothing(t, func() {
		if _, ok := pool.enter(&has); !ok || !has.chunks[0].slab.heap {
			t.Error("nobody has any memory, and a request waits for it")
		}
		if _, ok := pool.enter(&waits); ok {
			t.Error("there is memory where none can be mapped")
		}
	})
	pool.release(&has)
	<-waits.turn
	if waits.chunks[0].slab.heap || pool.copies.mapped != hugePage {
		t.Error("mapping is not tried again")
	}
	pool.release(&waits)
	if err := f.Do(w); err != nil || w.Receipt.Submissions == size/kib4 {
		t.Errorf("%v: %+v", err, w.Receipt)
	}
}

// A Pool maps only the bytes that Stats tell, even if its limit is large: it reserves
// nothing that mlockall or a limit of address space would count.
func TestAPoolMapsWhatItNeeds(t *testing.T) {
	if !alone(t) {
		return
	}
	pool := NewPool(min(1<<38, math.MaxInt))
	before := addressSpace(t)
	var c loan
	pool.reserve(&c, kib4, 1, kib4)
	if _, now, _ := pool.use(); now != hugePage || addressSpace(t)-before >= pool.limit()/2 {
		t.Errorf("%d bytes mapped, %d of address space", now, addressSpace(t)-before)
	}
	pool.release(&c)
}

// A mapping of any length has aligned memory and leaves nothing behind.
func TestMappingsAreUndone(t *testing.T) {
	for _, n := range []int{kib4, 5 * kib4, hugePage - kib4, hugePage} {
		mem, ok := mapMemory(n)
		if !ok {
			t.Fatal("nothing can be mapped")
		}
		if align := min(n&-n, os.Getpagesize()); len(mem) != n || !aligned(mem, align) || n == hugePage && !aligned(mem, n) {
			t.Errorf("%d bytes at %p of %d", len(mem), mem, n)
		}
		unmapMemory(mem)
	}
}

// The memory of a Pool that is garbage collected is unmapped.
func TestADroppedPoolIsUnmapped(t *testing.T) {
	if !alone(t) { // other tests may map memory at the same address
		return
	}
	var mem []byte
	there := func() bool { return unix.Madvise(mem, unix.MADV_NORMAL) == nil }
	func() {
		pool := NewPool(8 << 20)
		var c loan
		pool.reserve(&c, hugePage, 1, kib4)
		if mem = c.chunks[0].mem; !there() {
			t.Error("the memory of a Pool is not mapped")
		}
		pool.release(&c)
	}()
	for range 100 {
		if runtime.GC(); !there() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the memory of a dropped Pool is still mapped")
}
