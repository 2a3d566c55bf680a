package stablewrite

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
	"time"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

// A goroutine that started writes and never waits for them may go on with calls that
// overlap them: Do, a Stream, Truncate, Sync, Close.
func TestOneGoroutineNeedNotWaitForWhatItStarted(t *testing.T) {
	const size = 1 << 20
	onBothEngines(t, size, func(t *testing.T, name string, o Options) {
		for _, s := range Strategies() {
			o := o.with(s)
			if !s.Direct() {
				o.Engine = ByCalls
			}
			o.Pool = NewPool(64 << 10) // less than the started writes need
			for round := range 6 {
				f := opened(t, name, o)
				q := f.Queue(32)
				for k := range 16 {
					starts(t, q, &Write{Buf: filled(32<<10, 1), Off: int64(k%4) * 16 << 10})
				}
				if err := f.Do(&Write{Buf: filled(64<<10, 2)}); err != nil {
					t.Error(err)
				}
				starts(t, q, &Write{Buf: filled(8*kib4, 3)})
				st := f.StreamAt(100)
				st.Write(bytes.Repeat([]byte{4}, 40000))
				if err := st.Close(); err != nil {
					t.Error(err)
				}
				starts(t, q, &Write{Buf: filled(kib4, 5), Off: size - 2*kib4})
				if err := f.Truncate(size - kib4); err != nil {
					t.Error(err)
				}
				starts(t, q, &Write{Buf: filled(kib4, 6), Off: size - kib4}) // makes the file longer
				if err := f.Preallocate(size-kib4, kib4); err != nil {
					t.Error(err)
				}
				if err := f.Sync(); err != nil {
					t.Error(err)
				}
				starts(t, q, &Write{Buf: filled(kib4, 7), Off: size / 2})
				if round%2 == 0 {
					if err := f.Close(); err != nil {
						t.Error(err)
					}
				}
				if n := drained(t, q); n != 20 {
					t.Errorf("%v: %d came back", s, n)
				}
				if err := q.Close(); err != nil {
					t.Error(err)
				}
				f.Close()
				if busyFile(f) {
					t.Errorf("%v: memory or range leaked", s)
				}
				got := testenv.Media(t, name)
				if len(got) != size {
					t.Fatalf("%v: %d bytes", s, len(got))
				}
				for at, want := range map[int]byte{0: 3, 99: 3, 100: 4, 40099: 4, 40100: 2, 64<<10 - 1: 2, 64 << 10: 1, size - kib4 - 1: 5, size - 1: 6, size / 2: 7} {
					if got[at] != want {
						t.Errorf("%v: byte %d is %d, want %d", s, at, got[at], want)
					}
				}
			}
		}
	})
}

// Two Queues each hold a range that the other waits for, and share a Pool that has no
// more memory. Their writes end, whether two goroutines wait for them or one goroutine
// drains the second Queue first.
func TestQueuesThatWaitForEachOtherEnd(t *testing.T) {
	onBothEngines(t, 16*kib4, func(t *testing.T, name string, o Options) {
		for _, bytes := range []int{8192, 3 * kib4, 6 * kib4} {
			for _, s := range []Strategy{Bounce, Verify} {
				o := o.with(s)
				o.Pool = NewPool(bytes)
				a, b := opened(t, name, o), opened(t, name, o)
				qa, qb := a.Queue(8), b.Queue(8)
				moving := movingBuffer(t, 4*kib4)
				write := func(page int) *Write {
					if page%2 == 0 {
						return &Write{Buf: moving, Off: int64(page) * kib4} // overlaps its neighbours
					}
					return &Write{Buf: moving[9:][:2*kib4], Off: int64(page) * kib4} // unaligned memory, which is copied
				}
				both := func(q *Queue, from, step int) {
					for range 25 {
						for k := range 4 {
							starts(t, q, write(from+k*step))
						}
						for range 4 {
							if w := q.Wait(); w.Err != nil {
								t.Error(w.Err)
							}
						}
					}
				}
				var two sync.WaitGroup
				two.Go(func() { both(qa, 0, 1) })
				two.Go(func() { both(qb, 3, -1) })
				two.Wait()
				for range 12 {
					starts(t, qa, write(0))
					starts(t, qb, write(4))
					starts(t, qa, write(4))
					starts(t, qb, write(0))
					if n, m := drained(t, qb), drained(t, qa); n != 2 || m != 2 {
						t.Fatalf("%d and %d came back", n, m)
					}
				}
				qa.Close()
				qb.Close()
				if busyFile(a) {
					t.Errorf("%v, a Pool of %d: memory or range leaked", s, bytes)
				}
				a.Close()
				b.Close()
			}
		}
	})
}

// A write whose buffer changed is resubmitted soon even if Wait is not called: its crash
// window and its range do not stay open while the owner does something else.
func TestAnIdleOwnersWriteIsResubmitted(t *testing.T) {
	const size, writes = 64 << 10, 40
	onBothEngines(t, size, func(t *testing.T, name string, o Options) {
		f := opened(t, name, o)
		q := f.Queue(2)
		moving := movingBuffer(t, size)
		var times []time.Duration
		for tries := 0; len(times) < writes; tries++ {
			if tries == 100*writes {
				t.Fatal("nothing changed in flight")
			}
			w := &Write{Buf: moving, Sums: make([]uint32, size/kib4)}
			began := time.Now()
			starts(t, q, w)
			for !f.target.idle() {
				time.Sleep(20 * time.Microsecond)
			}
			took := time.Since(began)
			got := AlignedBuffer(size)
			if _, err := f.ReadAt(got, 0); err != nil {
				t.Fatal(err)
			}
			if q.Wait() != w || w.Err != nil {
				t.Fatal(w.Err)
			}
			if w.Receipt.Sum != crcguard.Checksum(got) {
				t.Fatal("the range was given back before the receipt was true")
			}
			if w.Receipt.Resubmitted > 0 {
				times = append(times, took)
			}
		}
		if quantiles(t, "until a resubmission that nobody waits for has landed", times); times[len(times)/2] > 50*time.Millisecond {
			t.Errorf("the median time until a resubmission landed is %v", times[len(times)/2])
		}
	})
}

// Writes that wait in line behind one another go out though no goroutine waits for them.
func TestALineOfWritesGoesOutByItself(t *testing.T) {
	t.Parallel()
	const deep = 200
	onBothEngines(t, 2*kib4, func(t *testing.T, name string, o Options) {
		for _, s := range []Strategy{Verify, Raw, Bounce} {
			f := opened(t, name, o.with(s))
			q := f.Queue(deep)
			began := time.Now()
			for k := range deep {
				starts(t, q, &Write{Buf: filled(2*kib4, byte(k))})
			}
			for !f.target.idle() {
				time.Sleep(50 * time.Microsecond)
			}
			t.Logf("%v: %d writes of one page, one after another, with nobody who waits: %v", s, deep, time.Since(began).Round(time.Microsecond))
			got := AlignedBuffer(2 * kib4)
			if _, err := f.ReadAt(got, 0); err != nil {
				t.Fatal(err)
			}
			if v, err := uniform(got); err != nil || v != deep-1 {
				t.Errorf("%v: the media hold write %d, not the last: %v", s, v, err)
			}
			if n := drained(t, q); n != deep {
				t.Errorf("%d Writes came back", n)
			}
			f.Close()
			runtime.KeepAlive(q)
		}
	})
}
