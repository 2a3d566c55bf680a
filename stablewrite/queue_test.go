package stablewrite

import (
	"errors"
	"os"
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
		q.Start(&ws[i])
	}
	seen := 0
	for w := q.Wait(); w != nil; w = q.Wait() {
		if seen++; w.Err != nil {
			t.Error(w.Err)
		}
		d.trueOf(t, w)
	}
	if seen != writes || tooMany.Load() > 0 {
		t.Errorf("%d writes returned, %d times too many were in flight", seen, tooMany.Load())
	}
	if q.Wait() != nil {
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
		q.Start(&Write{Buf: AlignedBuffer(kib4)})
	}
	for range 2 {
		if w := q.Wait(); !errors.Is(w.Err, os.ErrClosed) {
			t.Error(w.Err)
		}
	}
}

// Close of the File waits for what a Queue has under way.
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
	q.Start(&Write{Buf: AlignedBuffer(kib4)})
	<-begun
	closed := make(chan error)
	go func() { closed <- f.Close() }()
	select {
	case <-closed:
		t.Error("closed with a write in flight")
	default:
	}
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if w := q.Wait(); w.Err != nil {
		t.Error(w.Err)
	}
}
