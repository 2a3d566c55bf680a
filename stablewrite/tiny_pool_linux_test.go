package stablewrite

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Files of every direct strategy share a Pool of two blocks, with unaligned memory, memory
// that changes, Do, Queues, Streams, reads and Truncate. All end, and nothing is held.
func TestAPoolOfTwoBlocksIsEnough(t *testing.T) {
	t.Parallel()
	const size = 64 * kib4
	onBothEngines(t, size, func(t *testing.T, name string, o Options) {
		for _, bytes := range []int{8192, 5 * kib4} {
			pool := NewPool(bytes)
			moving := movingBuffer(t, size)
			var stop atomic.Bool
			var all sync.WaitGroup
			var ops, failed atomic.Int64
			var files []*File
			check := func(err error, s Strategy) {
				if ops.Add(1); err != nil && s == Detect {
					failed.Add(1) // Detect finds changes
				} else if err != nil {
					t.Errorf("%v: %v", s, err)
				}
			}
			for _, s := range Strategies() {
				o := o.with(s)
				o.Pool = pool
				if !s.Direct() {
					continue // a Buffered File would keep the others from the ring
				}
				f := opened(t, name, o)
				files = append(files, f)
				skip := 0
				if s != Raw {
					skip = 1
				}
				piece := func(rng *rand.Rand) *Write {
					n := 512 * (1 + rng.IntN(40))
					at := 512*rng.IntN(64) + skip*rng.IntN(2)*77
					return &Write{Buf: moving[at:][:n], Off: int64(512 * rng.IntN((size-n)/512))}
				}
				for k := range 2 {
					rng := rand.New(rand.NewPCG(uint64(s), uint64(k)))
					all.Go(func() {
						for !stop.Load() {
							check(f.Do(piece(rng)), s)
						}
					})
				}
				all.Go(func() {
					rng, q := rand.New(rand.NewPCG(uint64(s), 3)), f.Queue(6)
					defer q.Close()
					for !stop.Load() {
						for range 12 {
							starts(t, q, piece(rng))
						}
						for w := range q.Drain() {
							check(w.Err, s)
						}
					}
				})
				all.Go(func() {
					p := make([]byte, 3*kib4)
					for n := 0; !stop.Load(); n++ {
						_, err := f.ReadAt(p[n%5:], int64(n%1000*13))
						check(err, Raw)
						st := f.StreamAt(int64(n % 3000))
						st.Write(moving[:n%9000])
						check(st.Close(), Raw)
						if n%16 == 0 {
							check(f.Truncate(size), Raw)
						}
					}
				})
			}
			time.Sleep(400 * time.Millisecond)
			stop.Store(true)
			all.Wait()
			peak, _, _ := pool.use()
			t.Logf("a Pool of %d: %d calls, peak %d, %d changes found by Detect", bytes, ops.Load(), peak, failed.Load())
			if peak > bytes {
				t.Errorf("%d bytes in use of %d", peak, bytes)
			}
			for _, f := range files {
				if busyFile(f) {
					t.Errorf("%v: memory or range leaked", f.opts.Strategy)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
