package stablewrite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"stablepages/crcguard"
)

// fragment holds every count-th block of a Pool's memory for copies, so that only the
// runs between them are free, and returns the loans.
func fragment(p *Pool, count int) (held []*loan) {
	copies, _ := p.sizes()
	var all []*loan
	for range copies / kib4 {
		c := new(loan)
		p.reserve(c, kib4, 1, kib4)
		all = append(all, c)
	}
	for _, c := range all {
		if c.chunks[0].at%count == 0 {
			held = append(held, c)
		} else {
			p.release(c)
		}
	}
	return held
}

// If enough memory is free, a write that copies and a read through private memory go on,
// however short the free runs are.
func TestFragmentsHoldNobodyUp(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	const size = 1 << 20
	for _, unit := range []int{512, kib4, 4 * kib4} {
		pool := NewPool(8 << 20)
		d := newDisk(4 << 20)
		d.geo.OffsetAlign = unit
		held := fragment(pool, 8)
		f := d.file(t, Options{Strategy: Bounce, Pool: pool})
		for _, off := range []int64{0, int64(unit)} {
			w := &Write{Buf: random(1, size), Off: off, Sums: make([]uint32, size/kib4+1)}
			if err := f.Do(w); err != nil {
				t.Fatal(err)
			}
			d.trueOf(t, w)
			if w.Receipt.N != size || w.Receipt.Submissions <= size/(8*kib4) {
				t.Errorf("units of %d: %+v", unit, w.Receipt)
			}
			q := f.Queue(4)
			for k := range 4 {
				starts(t, q, &Write{Buf: w.Buf, Off: int64(k) << 20})
			}
			drained(t, q)
			got := make([]byte, size)
			if _, err := f.ReadAt(got, 1); err != nil || !slices.Equal(got[:size-1], w.Buf[1:]) {
				t.Errorf("units of %d: read: %v", unit, err)
			}
		}
		for _, c := range held {
			pool.release(c)
		}
		if busyFile(f) {
			t.Error("memory or range leaked")
		}
	}
}

// A write for which too little memory is free waits, and then goes out as one submission,
// not block by block.
func TestAWriteWaitsRatherThanGoOutInPieces(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	pool := NewPool(9 * kib4)
	f := newDisk(8*kib4).file(t, Options{Strategy: Bounce, Pool: pool})
	var held loan
	pool.reserve(&held, kib4, 5, kib4)
	w, done := &Write{Buf: random(1, 4*kib4)}, make(chan error)
	go func() { done <- f.Do(w) }()
	untilWaiting(pool, 1)
	pool.release(&held)
	if err := <-done; err != nil || w.Receipt.Submissions != 1 {
		t.Errorf("%v: %+v", err, w.Receipt)
	}
}

// untilWaiting returns when n requests wait.
func untilWaiting(p *Pool, n int) {
	for waiting := -1; waiting < n; time.Sleep(100 * time.Microsecond) {
		p.mu.Lock()
		waiting = len(p.waiting)
		p.mu.Unlock()
	}
}

// An arena gives no memory twice, maps no more than its limit, finds every run that there
// is, and joins returned memory into the longest runs.
func TestAnArenaAgainstAModel(t *testing.T) {
	for _, limit := range []int{kib4, 3 * kib4, hugePage - kib4, hugePage, 3*hugePage + 5*kib4} {
		t.Run(fmt.Sprint(limit/kib4), func(t *testing.T) {
			a, rng := &arena{limit: limit}, rand.New(rand.NewPCG(uint64(limit), 0))
			taken := make(map[*slab][]bool)
			mark := func(c chunk, to bool) {
				all := taken[c.slab]
				if all == nil {
					all = make([]bool, len(c.slab.mem)/kib4)
					taken[c.slab] = all
				}
				for i := range len(c.mem) / kib4 {
					if all[c.at+i] == to {
						t.Fatalf("block %d of a slab: taken is %v already", c.at+i, to)
					}
					all[c.at+i] = to
				}
			}
			// there reports whether a slab has a free run of the order, where such runs begin.
			there := func(order int) bool {
				for s, all := range taken {
					for at := 0; at+1<<order <= len(s.mem)/kib4; at += 1 << order {
						if !slices.Contains(all[at:][:1<<order], true) {
							return true
						}
					}
				}
				return false
			}
			var have []chunk
			for range 4000 {
				if n := rng.IntN(len(have) + 20); n < len(have) {
					mark(have[n], false)
					a.put(have[n])
					have = slices.Delete(have, n, n+1)
					continue
				}
				n := kib4 * (1 + rng.IntN(1<<rng.IntN(slabOrder+1)))
				could := there(orderOf(n))
				c, ok := a.take(n, false)
				if !ok && (could || limit-a.mapped >= hugePage) {
					t.Fatalf("a free run of %d blocks was not found", n/kib4)
				}
				if ok {
					if len(c.mem) != n || cap(c.mem) != n || !aligned(c.mem, memoryAlign) {
						t.Fatalf("%d bytes of %d", len(c.mem), n)
					}
					mark(c, true)
					have = append(have, c)
				}
				if a.mapped > limit {
					t.Fatalf("%d mapped", a.mapped)
				}
			}
			for _, c := range have {
				a.put(c)
			}
			for range limit / hugePage {
				if _, ok := a.take(hugePage, false); !ok {
					t.Error("returned memory was not joined into the longest runs")
				}
			}
		})
	}
}

// The cost of a request and a return does not grow with the memory in use.
func BenchmarkPoolHeld(b *testing.B) {
	for _, n := range []int{1000, 16000, 60000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, loans, rng := NewPool(1<<30), make([]loan, n), rand.New(rand.NewPCG(1, 1))
			swap := func(c *loan) {
				p.release(c)
				p.reserve(c, crcguard.BlockSize<<rng.IntN(3), 1, crcguard.BlockSize)
			}
			for i := range loans {
				swap(&loans[i])
			}
			for b.Loop() {
				swap(&loans[rng.IntN(n)])
			}
		})
	}
}
