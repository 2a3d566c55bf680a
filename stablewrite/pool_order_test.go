package stablewrite

import (
	"sync"
	"testing"
	"time"
)

// A resubmission that waits gets memory that a copy returns, though the share set aside
// is still in use.
func TestAResubmissionGetsWhatACopyGivesBack(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	pool := NewPool(64 << 10)
	copies, share := pool.sizes()
	var all, hung loan
	pool.reserve(&all, kib4, copies/kib4, kib4)
	if _, ok := pool.ask(&hung, new(segment), share, share); !ok {
		t.Fatal("the Pool sets no memory aside for resubmissions")
	}
	d := &gated{disk: newDisk(kib4)}
	f := fileOn(t, d, Options{Pool: pool})
	w := &Write{Buf: random(1, kib4), Sums: make([]uint32, 1)}
	d.gate = func(p []byte, _ int64) {
		if within(p, w.Buf) {
			p[0]++
			go func() {
				untilWaiting(pool, 1)
				pool.release(&all)
			}()
		}
	}
	if err := f.Do(w); err != nil || w.Receipt.Resubmitted != kib4 {
		t.Errorf("%v: %+v", err, w.Receipt)
	}
	d.trueOf(t, w)
	pool.free(&hung)
}

// A resubmission takes no memory for copies while an earlier write waits for it, but it
// takes memory of the share set aside.
func TestAResubmissionDoesNotPassAWriteThatWaits(t *testing.T) {
	pool := NewPool(64 << 10)
	copies, _ := pool.sizes()
	var held, first, again loan
	pool.reserve(&held, kib4, copies/kib4-1, kib4)
	ended := make(chan struct{})
	go func() { pool.reserve(&first, kib4, 2, kib4); close(ended) }()
	untilWaiting(pool, 1)
	if _, ok := pool.ask(&again, new(segment), kib4, kib4); !ok || again.from != &pool.share {
		t.Error("a resubmission took what a write waits for, or nothing")
	}
	pool.release(&held)
	<-ended
}

// Memory for resubmissions and reads of a File counts against its quota as memory for its
// writes does: another File has half of the default Pool.
func TestResubmissionsAndReadsAreBoundedAsWritesAre(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	p, a, b := new(Pool), new(quota), new(quota)
	loans := make([]loan, DefaultPoolBytes/DefaultSegmentBytes)
	got := 0
	for i := range loans {
		loans[i].quota = a
		if _, ok := p.ask(&loans[i], new(segment), DefaultSegmentBytes, kib4); ok {
			got += loans[i].size
		}
	}
	if _, share := p.sizes(); a.held != DefaultPoolBytes/2 || got != a.held+share {
		t.Errorf("resubmissions of a File got %d bytes, %d of them of the memory for copies", got, a.held)
	}
	p.reserve(&loan{quota: b}, DefaultSegmentBytes, 4, kib4) // does not wait

	d := &heldReads{disk: newDisk(1 << 20), begun: make(chan struct{}), release: make(chan struct{})}
	f := fileOn(t, d, Options{})
	ended := make(chan error)
	go func() {
		_, err := f.ReadAt(make([]byte, kib4), 1)
		ended <- err
	}()
	<-d.begun
	if f.quota.held != 2*kib4 {
		t.Errorf("a read through private memory of 2 blocks counts as %d bytes", f.quota.held)
	}
	close(d.release)
	if err := <-ended; err != nil || f.quota.held != 0 {
		t.Errorf("%v, %d bytes held", err, f.quota.held)
	}
}

// heldReads is a disk whose reads wait for the test.
type heldReads struct {
	*disk
	begun, release chan struct{}
}

func (d *heldReads) ReadAt(p []byte, off int64) (int, error) {
	close(d.begun)
	<-d.release
	return d.disk.ReadAt(p, off)
}

// If a File has its half of the Pool, a large write gets memory before smaller writes of
// the same File that asked later. Writes of other Files need not wait for it.
func TestSmallWritesDoNotPassALargeOneOfTheirFile(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	p, own, other := new(Pool), new(quota), new(quota)
	held := [2]loan{{quota: own}, {quota: own}}
	p.reserve(&held[0], 2<<20, 1, kib4)
	p.reserve(&held[1], 1<<20, 29, kib4)
	large, small := loan{quota: own}, loan{quota: own}
	var mu sync.Mutex
	var order []*loan
	var all sync.WaitGroup
	for i, c := range []*loan{&large, &small} {
		all.Go(func() {
			p.reserve(c, []int{1 << 20, kib4}[i], []int{3, 1}[i], kib4)
			mu.Lock()
			defer mu.Unlock()
			order = append(order, c)
			if c == &large {
				p.release(c)
			}
		})
		untilWaiting(p, i+1)
	}
	p.reserve(&loan{quota: other}, 1<<20, 8, kib4) // does not wait
	p.release(&held[0])
	all.Wait()
	if order[0] != &large {
		t.Error("a small write passed a large one of its File")
	}
}
