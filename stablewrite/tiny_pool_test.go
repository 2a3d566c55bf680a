package stablewrite

import (
	"math"
	"sync/atomic"
	"testing"
	"time"
)

// Verify takes no private memory while nothing changes, so the size of the Pool does not
// limit the writes that a Queue has in flight.
func TestVerifyHasInFlightWhatTheQueueHas(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	const depth, size = 64, 1 << 20
	for _, pool := range []int{math.MaxInt, DefaultPoolBytes, 1 << 20, 8192} {
		d := newDisk(0)
		d.media = make([]byte, depth*size)
		var inFlight atomic.Int64
		all := make(chan struct{})
		d.during = func(p []byte, _ int64) (int, error) {
			if inFlight.Add(int64(len(p))) == depth*size {
				close(all)
			}
			<-all
			return len(p), nil
		}
		f := d.file(t, Options{Pool: NewPool(pool)})
		q, buf := f.Queue(depth), AlignedBuffer(size)
		started := make(chan struct{})
		go func() {
			defer close(started)
			for k := range depth {
				if err := q.Start(&Write{Buf: buf, Off: int64(k * size)}); err != nil {
					t.Error(err)
				}
			}
		}()
		select {
		case <-all:
		case <-time.After(20 * time.Second): // a busy machine takes seconds to sum it all
			t.Errorf("a Pool of %d: %d KiB in flight", pool, inFlight.Load()>>10)
			d.during = nil
			close(all)
		}
		<-started
		for w := range q.Drain() {
			if w.Err != nil {
				t.Error(w.Err)
			}
		}
		if peak, _, _ := f.opts.Pool.use(); peak != 0 {
			t.Errorf("a Pool of %d: %d in use though nothing changed", pool, peak)
		}
	}
}
