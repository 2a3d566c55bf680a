package stablewrite

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A goroutine that only calls Wait gets every Write, also after pauses in which nothing
// is under way. It gets nil after Close, not before.
func TestAReaperGetsEveryWrite(t *testing.T) {
	const writes = 100
	onBothEngines(t, writes*kib4, func(t *testing.T, name string, o Options) {
		for _, reapers := range []int{1, 3} {
			f := opened(t, name, o)
			q := f.Queue(8)
			var closing atomic.Bool
			var got atomic.Int32
			var all sync.WaitGroup
			for range reapers {
				all.Go(func() {
					for w := q.Wait(); w != nil; w = q.Wait() {
						if got.Add(1); w.Err != nil {
							t.Error(w.Err)
						}
					}
					if !closing.Load() {
						t.Error("Wait returned nil before Close")
					}
				})
			}
			for i := range writes {
				starts(t, q, &Write{Buf: AlignedBuffer(kib4), Off: int64(i) * kib4})
				if i%10 == 0 {
					time.Sleep(2 * time.Millisecond) // nothing is under way
				}
			}
			closing.Store(true)
			if err := q.Close(); err != nil {
				t.Error(err)
			}
			all.Wait()
			if got.Load() != writes {
				t.Errorf("%d reapers got %d of %d", reapers, got.Load(), writes)
			}
			f.Close()
		}
	})
}

// Close wakes a Wait that blocks, whether the Queue ever had a Write or not.
func TestCloseWakesWait(t *testing.T) {
	onBothEngines(t, 8*kib4, func(t *testing.T, name string, o Options) {
		f := opened(t, name, o)
		for round := range 60 {
			q := f.Queue(4)
			for k := range round % 4 {
				starts(t, q, &Write{Buf: AlignedBuffer(kib4), Off: int64(k) * kib4})
			}
			ended := make(chan int, 2)
			for range cap(ended) {
				go func() {
					n := 0
					for q.Wait() != nil {
						n++
					}
					ended <- n
				}()
			}
			if round%3 > 0 {
				time.Sleep(time.Duration(round%3) * time.Millisecond)
			}
			if err := q.Close(); err != nil {
				t.Error(err)
			}
			if n := <-ended + <-ended; n != round%4 {
				t.Errorf("round %d: %d came back", round, n)
			}
		}
	})
}
