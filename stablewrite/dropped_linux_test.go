package stablewrite

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// collected reports whether the cleanup of AddCleanup has run.
func collected(freed chan struct{}) bool {
	for range 50 {
		runtime.GC()
		select {
		case <-freed:
			return true
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// A File on a Device that was dropped without Close leaves neither it nor the Device behind.
func TestADroppedFileKeepsNoDevice(t *testing.T) {
	freed := make(chan struct{})
	w := Write{Buf: AlignedBuffer(kib4)}
	func() {
		d := newDisk(kib4)
		runtime.AddCleanup(d, func(struct{}) { close(freed) }, struct{}{})
		f, err := NewDevice(d, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Do(&w); err != nil {
			t.Fatal(err)
		}
	}()
	if !collected(freed) {
		t.Error("the Device of a dropped File is still reachable")
	}
	runtime.KeepAlive(&w)
}

// A dropped File lets go of its descriptor, as a dropped os.File does.
func TestADroppedFileKeepsNoDescriptor(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	if err := os.WriteFile(name, make([]byte, kib4), 0o600); err != nil {
		t.Fatal(err)
	}
	before := nowHeld()
	func() {
		if _, err := Open(name, Options{}); err != nil {
			t.Fatal(err)
		}
	}()
	for range 20 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	now := nowHeld()
	if len(now.descriptors) > len(before.descriptors) || now.locks > before.locks {
		t.Errorf("%d descriptors and %d targets, before %d and %d", len(now.descriptors), now.locks, len(before.descriptors), before.locks)
	}
}

// A Pool does not keep the File of a resubmission that waited for memory.
func TestAPoolKeepsNoFileThatWaited(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	freed := make(chan struct{})
	pool := NewPool(2 * kib4)
	func() {
		var copies, share loan
		pool.reserve(&copies, kib4, 1, kib4)
		defer pool.release(&copies)
		if _, ok := pool.ask(&share, new(segment), kib4, kib4); !ok {
			t.Fatal("the Pool sets no memory aside for resubmissions")
		}
		d := newDisk(kib4)
		runtime.AddCleanup(d, func(struct{}) { close(freed) }, struct{}{})
		buf := AlignedBuffer(kib4)
		d.during = func(p []byte, _ int64) (int, error) {
			d.during = nil
			copy(d.media, p)
			buf[0]++
			go func() {
				for waits := false; !waits; time.Sleep(time.Millisecond) {
					pool.mu.Lock()
					waits = pool.again > 0
					pool.mu.Unlock()
				}
				pool.release(&share)
			}()
			return len(p), nil
		}
		f, err := NewDevice(d, Options{Pool: pool})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(buf, 0); err != nil {
			t.Fatal(err)
		}
	}()
	if !collected(freed) {
		t.Error("the Device of a dropped File is still reachable")
	}
	runtime.KeepAlive(pool)
}

// A Pool does not keep a request that waited for memory and was granted it.
func TestAPoolKeepsNoLoanThatWaited(t *testing.T) {
	pool := NewPool(2 * kib4)
	var held, first, behind loan
	pool.reserve(&held, kib4, 1, kib4)
	ended := make(chan struct{})
	for i, c := range []*loan{&first, &behind} {
		go func() { pool.reserve(c, kib4, 1, kib4); ended <- struct{}{} }()
		for waits := 0; waits <= i; time.Sleep(time.Millisecond) {
			pool.mu.Lock()
			waits = len(pool.waiting)
			pool.mu.Unlock()
		}
	}
	for _, c := range []*loan{&held, &first} {
		pool.release(c)
		<-ended
		pool.mu.Lock()
		if all := pool.waiting[:cap(pool.waiting)]; all[len(pool.waiting)] != nil {
			t.Error("the Pool keeps a request that it granted")
		}
		pool.mu.Unlock()
	}
	pool.release(&behind)
}

// A Write that returned does not keep the memory of its parts reachable.
func TestAWriteKeepsNoParts(t *testing.T) {
	f, err := Create(filepath.Join(testenv.DirectDir(t), "f"), Options{Engine: ByRing})
	if err != nil {
		testenv.Missing(t, "io_uring: %v", err)
	}
	defer f.Close()
	if err := f.Truncate(2 * kib4); err != nil {
		t.Fatal(err)
	}
	q := f.Queue(1)
	defer q.Close()
	var w Write
	freed := make(chan struct{})
	func() {
		part := AlignedBuffer(kib4)
		runtime.AddCleanup(&part[0], func(struct{}) { close(freed) }, struct{}{})
		w.Bufs = [][]byte{part, AlignedBuffer(kib4)}
		if err := q.Start(&w); err != nil {
			t.Fatal(err)
		}
		q.Wait()
		w.Bufs = nil
	}()
	if !collected(freed) {
		t.Error("a part that was written is still reachable")
	}
	runtime.KeepAlive(&w)
}
