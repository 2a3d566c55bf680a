package stablewrite

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestQueueKeepsDepthWritesUnderWay(t *testing.T) {
	const depth, writes = 4, 64
	d := newDisk(writes * kib4)
	var calls, inFlight, tooMany atomic.Int32
	var together sync.WaitGroup
	together.Add(depth)
	d.during = func(p []byte, _ int64) (int, error) {
		if inFlight.Add(1) > depth {
			tooMany.Add(1)
		}
		if calls.Add(1) <= depth { // ends only if so many are in flight at a time
			together.Done()
			together.Wait()
		}
		time.Sleep(100 * time.Microsecond) // for more to come
		inFlight.Add(-1)
		return len(p), nil
	}
	f := d.file(t, Options{})
	q := f.Queue(depth)
	ws := make([]Write, writes)
	for i := range ws {
		ws[i] = Write{Buf: random(uint64(i), kib4), Off: int64(i) * kib4, Sums: make([]uint32, 1)}
		if err := q.Start(&ws[i]); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for w := range q.Drain() {
		if seen++; w.Err != nil {
			t.Error(w.Err)
		}
		d.trueOf(t, w)
	}
	if seen != writes || tooMany.Load() > 0 {
		t.Errorf("%d writes returned, %d times too many were in flight", seen, tooMany.Load())
	}
	if q.Poll() != nil {
		t.Error("an empty queue returned a Write")
	}
}

func TestQueueSaysThatTheFileIsClosed(t *testing.T) {
	f := newDisk(kib4).file(t, Options{})
	q := f.Queue(0)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := q.Start(&Write{Buf: AlignedBuffer(kib4)}); !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	}
	if q.Poll() != nil {
		t.Error("a Write that was not begun came back")
	}
}

// If a Write that is under way were started again, its range would be locked twice, and
// no later write of that range would go out.
func TestAWriteIsUnderWayOnce(t *testing.T) {
	d := newDisk(kib4)
	begun, release := make(chan struct{}, 2), make(chan struct{})
	d.during = func(p []byte, _ int64) (int, error) {
		begun <- struct{}{}
		<-release
		return len(p), nil
	}
	f := d.file(t, Options{})
	q, w := f.Queue(2), &Write{Buf: random(1, kib4)}
	if err := q.Start(w); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := q.Start(w); err != ErrUnderWay {
		t.Error(err)
	}
	if err := f.Do(w); err != ErrUnderWay {
		t.Error(err)
	}
	close(release)
	if q.Wait() != w || w.Err != nil || q.Poll() != nil {
		t.Error(w.Err)
	}
	if err := f.Do(w); err != nil {
		t.Error(err)
	}
}

// Wait returns a Write that ended, and does not wait for others.
func TestWaitReturnsWhatEnded(t *testing.T) {
	d := newDisk(2 * kib4)
	release := make(chan struct{})
	d.during = func(p []byte, off int64) (int, error) {
		if off == 0 {
			<-release
		}
		return len(p), nil
	}
	q := d.file(t, Options{}).Queue(2)
	slow, quick := &Write{Buf: random(1, kib4)}, &Write{Buf: random(1, kib4), Off: kib4}
	if err := errors.Join(q.Start(slow), q.Start(quick)); err != nil {
		t.Fatal(err)
	}
	if q.Wait() != quick {
		t.Error("another write came back")
	}
	close(release)
	if q.Wait() != slow {
		t.Error("another write came back")
	}
}

// With nothing under way, Wait waits for another goroutine to Start a Write. Drain and Poll
// do not.
func TestWaitWaitsForAStart(t *testing.T) {
	q := newDisk(kib4).file(t, Options{}).Queue(1)
	for range q.Drain() {
		t.Error("an empty Queue drained a Write")
	}
	back := make(chan *Write)
	go func() { back <- q.Wait() }()
	for q.waiting.Load() == 0 {
		runtime.Gosched()
	}
	w := &Write{Buf: random(1, kib4)}
	if err := q.Start(w); err != nil {
		t.Fatal(err)
	}
	if <-back != w || q.Poll() != nil {
		t.Error("Wait did not return the Write that was started")
	}
}

// Several goroutines start and wait.
func TestAQueueOfManyGoroutines(t *testing.T) {
	const each = 200
	d := newDisk(64 * kib4)
	q := d.file(t, Options{}).Queue(1)
	var all sync.WaitGroup
	var back atomic.Int32
	for k := range 4 {
		all.Go(func() {
			for i := range each {
				if err := q.Start(&Write{Buf: AlignedBuffer(kib4), Off: int64((k*16 + i%16) * kib4)}); err != nil {
					t.Error(err)
				}
				if q.Wait() != nil {
					back.Add(1)
				}
			}
		})
	}
	all.Wait()
	for range q.Drain() {
		back.Add(1)
	}
	if back.Load() != 4*each {
		t.Errorf("%d of %d came back", back.Load(), 4*each)
	}
}

// Close of the File waits for writes that a Queue has under way.
func TestCloseWaitsForAQueue(t *testing.T) {
	d := newDisk(kib4)
	begun, release := make(chan struct{}), make(chan struct{})
	d.during = func(p []byte, _ int64) (int, error) {
		close(begun)
		<-release
		return len(p), nil
	}
	f := d.file(t, Options{})
	q := f.Queue(1)
	if err := q.Start(&Write{Buf: AlignedBuffer(kib4)}); err != nil {
		t.Fatal(err)
	}
	<-begun
	closed := make(chan error)
	go func() { closed <- f.Close() }()
	select {
	case <-closed:
		t.Error("closed with a write in flight")
	case <-time.After(10 * time.Millisecond):
	}
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if w := q.Wait(); w.Err != nil {
		t.Error(w.Err)
	}
}

// Many goroutines start one new Write: one of them does.
func TestOneStartOfManyCounts(t *testing.T) {
	f := newDisk(kib4).file(t, Options{})
	for range 500 {
		q, w := f.Queue(4), &Write{Buf: AlignedBuffer(kib4)}
		var started atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := q.Start(w); err == nil {
					started.Add(1)
				} else if err != ErrUnderWay {
					t.Error(err)
				}
			})
		}
		all.Wait()
		back := int32(0)
		for range q.Drain() {
			back++
		}
		if back != started.Load() || back == 0 {
			t.Fatalf("%d started, %d came back", started.Load(), back)
		}
	}
}

// A panic is wrapped once, however many goroutines pass it on.
func TestAPanicIsWrappedOnce(t *testing.T) {
	d := newDisk(8 * kib4)
	d.during = func([]byte, int64) (int, error) { panic("mine") }
	f := d.file(t, Options{SegmentBytes: kib4})
	for range 50 {
		q := f.Queue(1)
		if err := q.Start(&Write{Buf: random(1, 8*kib4)}); err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if p, ok := recover().(*PanicError); !ok || p.Value != "mine" {
					t.Errorf("%v", p)
				}
			}()
			q.Wait()
		}()
	}
}
