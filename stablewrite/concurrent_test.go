package stablewrite

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stablepages/crcguard"
)

// overlapping is a Device on which a second writer starts while the first one's
// first submission is in flight.
type overlapping struct {
	scripted
	inFlight func() // during the submission of caller memory
	mu       sync.Mutex
}

func (d *overlapping) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	copy(d.media[off:], p)
	d.mu.Unlock()
	if within(p, d.buf) && d.inFlight != nil {
		d.inFlight()
	}
	return len(p), nil
}

// An acknowledged write is never undone by the resubmission of another that was
// submitted before it. Without the range lock the second write lands between
// submission and resubmission, is acknowledged, and is lost.
func TestResubmissionNeverOverwritesANewerWrite(t *testing.T) {
	t.Parallel()
	const rounds = 2_000
	rng := rand.New(rand.NewPCG(1, 2))
	for _, resubmit := range []Resubmit{ChangedBlocks, Whole} {
		d := &overlapping{scripted: *newScripted(4 * kib4)}
		first, err := NewDevice(d, Options{Resubmit: resubmit})
		if err != nil {
			t.Fatal(err)
		}
		second, err := NewDevice(d, Options{})
		if err != nil {
			t.Fatal(err)
		}
		newer := AlignedBuffer(2 * kib4)
		for round := range rounds {
			for i := range newer {
				newer[i] = byte(round)
			}
			lo := rng.IntN(3) * kib4
			var done sync.WaitGroup
			var acknowledged atomic.Bool
			d.inFlight = func() {
				d.buf[rng.IntN(len(d.buf))] ^= 0x55 // the first write will resubmit
				started := make(chan struct{})
				done.Go(func() {
					close(started)
					if _, err := second.WriteAt(newer, int64(lo)); err != nil {
						t.Error(err)
					}
					acknowledged.Store(true)
				})
				<-started
				for range rng.IntN(3) {
					time.Sleep(time.Microsecond)
				}
			}
			w := Write{Buf: d.buf}
			if err := first.Do(&w); err != nil || w.Receipt.Resubmitted == 0 {
				t.Fatalf("%v, receipt %+v: the round tests nothing", err, w.Receipt)
			}
			done.Wait()
			if !bytes.Equal(d.media[lo:lo+len(newer)], newer) {
				t.Fatalf("round %d: an acknowledged write of 2 blocks at %d was undone", round, lo)
			}
		}
		first.Close()
		second.Close()
	}
}

// Files on one Device share a range lock, which is gone when the last is closed.
func TestRangeLocksAreForgotten(t *testing.T) {
	d := newScripted(kib4)
	a, _ := NewDevice(d, Options{})
	b, _ := NewDevice(d, Options{})
	if a.target != b.target {
		t.Error("two Files on one Device do not share a lock")
	}
	a.Close()
	if allTargets.files[d] == nil {
		t.Error("the lock was gone when the first File was closed")
	}
	b.Close()
	if allTargets.files[d] != nil {
		t.Error("the lock is left after the last File was closed")
	}
}

func TestRangeLock(t *testing.T) {
	l := &rangeLock{}
	var a, b, c, d span
	l.lock(&a, 0, 8)
	l.lock(&b, 8, 16) // disjoint: does not wait
	var order []string
	var mu sync.Mutex
	var wg sync.WaitGroup
	wait := func(name string, s *span, off, end int64) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			l.lock(s, off, end)
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
			l.unlock(s)
		}()
		for {
			l.mu.Lock()
			queued := s.came > 0
			l.mu.Unlock()
			if queued {
				return
			}
			time.Sleep(time.Microsecond)
		}
	}
	wait("c", &c, 4, 12) // overlaps both
	wait("d", &d, 0, 4)  // overlaps a, not c, so it need not wait for c
	l.unlock(&a)         // d may go, c waits for b
	for {
		mu.Lock()
		n := len(order)
		mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(time.Microsecond)
	}
	l.unlock(&b)
	wg.Wait()
	if order[0] != "d" || order[1] != "c" {
		t.Errorf("order %v", order)
	}
	if !l.idle() {
		t.Error("spans left behind")
	}
}

// Many overlapping writers share a Pool of four blocks: all end, and each block on
// the media is of one write.
func TestManyOverlappingWritersWithASmallPool(t *testing.T) {
	d := &overlapping{scripted: *newScripted(0)}
	pool := NewPool(4 * kib4)
	var wg sync.WaitGroup
	for k := range 16 {
		f, err := NewDevice(d, Options{Strategy: []Strategy{Verify, Bounce, Detect, Buffered}[k%4], Pool: pool})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(k), 0))
			p := AlignedBuffer(2 * kib4)
			for i := range p {
				p[i] = byte(k)
			}
			for range 500 {
				if _, err := f.WriteAt(p, int64(rng.IntN(4))*kib4); err != nil {
					t.Error(err)
				}
			}
			f.Close()
		})
	}
	wg.Wait()
	for b := range 5 {
		block := d.media[b*kib4 : (b+1)*kib4]
		if !bytes.Equal(block, bytes.Repeat(block[:1], kib4)) {
			t.Errorf("block %d mixes bytes of several writes", b)
		}
	}
	if peak, _, _ := pool.use(); peak > 4*kib4 || peak == 0 {
		t.Errorf("peak %d", peak)
	}
}

// idle reports whether no range is held or waited for.
func (l *rangeLock) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.root == nil
}

// busyFile reports whether a range of the File, or memory of its Pool, is held.
func busyFile(f *File) bool {
	p := f.opts.Pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return !f.target.idle() || p.inUse != 0
}

// A write that waits for memory has submitted nothing and holds no range, so its crash
// window is not open.
func TestMemoryIsReservedBeforeSubmitting(t *testing.T) {
	d := newScripted(2 * kib4)
	pool := NewPool(3 * kib4)
	f := d.file(t, Options{Strategy: Bounce, Pool: pool})
	var taken loan
	pool.reserve(&taken, kib4, 2, kib4)
	done := make(chan error)
	go func() {
		_, err := f.WriteAt(d.buf, 0)
		done <- err
	}()
	for waiting := false; !waiting; time.Sleep(time.Microsecond) {
		pool.mu.Lock()
		waiting = len(pool.waiting) > 0
		pool.mu.Unlock()
	}
	if len(d.calls) != 0 || !f.target.idle() {
		t.Error("submitted or locked a range before its memory was there")
	}
	pool.release(&taken)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPoolStaysWithinItsBound(t *testing.T) {
	if zero := new(Pool); zero.limit() != DefaultPoolBytes {
		t.Error("the zero Pool does not have the default limit")
	}
	p := NewPool(64 << 10)
	largest, _ := p.largest()
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(k), 1))
			for range 2000 {
				var l loan
				n := 1 + rng.IntN(largest)
				p.reserve(&l, n, 1, n)
				b := l.chunks[0].mem
				if len(b) < n || !aligned(b, memoryAlign) {
					t.Errorf("reserve(%d): %d bytes", n, len(b))
				}
				b[0], b[n-1] = byte(k), byte(k)
				p.release(&l)
			}
		})
	}
	wg.Wait()
	if mapped := p.copies.mapped + p.share.mapped; p.peak > p.limit() || p.inUse != 0 || mapped > p.limit() || len(p.waiting) > 0 {
		t.Errorf("limit %d, peak %d, in use %d, mapped %d", p.limit(), p.peak, p.inUse, mapped)
	}
}

type panicking struct{ scripted }

func (d *panicking) WriteAt([]byte, int64) (int, error) { panic("device") }

func TestAPanickingDeviceLeaksNothing(t *testing.T) {
	d := &panicking{*newScripted(kib4)}
	pool := NewPool(kib4)
	f, err := NewDevice(d, Options{Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // leaked memory or a leaked range would make the second write wait for ever
		func() {
			defer func() { recover() }()
			f.WriteAt(d.buf, 0)
		}()
	}
	if busyFile(f) {
		t.Error("memory or range leaked")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// Close waits for calls under way.
func TestCloseWaitsForWrites(t *testing.T) {
	d := &overlapping{scripted: *newScripted(kib4)}
	f, err := NewDevice(d, Options{Strategy: Raw})
	if err != nil {
		t.Fatal(err)
	}
	inFlight, release := make(chan struct{}), make(chan struct{})
	d.inFlight = func() { close(inFlight); <-release }
	wrote := make(chan error, 1)
	go func() {
		_, err := f.WriteAt(d.buf, 0)
		wrote <- err
	}()
	<-inFlight
	closed := make(chan error, 1)
	go func() { closed <- f.Close() }()
	select {
	case <-closed:
		t.Error("Close returned while a write was in flight")
	case <-time.After(10 * time.Millisecond):
	}
	close(release)
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := crcguard.Checksum(d.media[:kib4]); got != crcguard.Checksum(d.buf) {
		t.Error("the write did not land")
	}
}
