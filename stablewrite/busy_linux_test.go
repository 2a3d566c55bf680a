package stablewrite

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

// quantiles logs quantiles of times, and returns the 99th percentile.
func quantiles(t *testing.T, what string, times []time.Duration) (p99 time.Duration) {
	t.Helper()
	slices.Sort(times)
	n := len(times)
	p99 = times[n*99/100]
	t.Logf("%s: p50 %v, p90 %v, p99 %v, most %v, n=%d", what, times[n/2], times[n*9/10], p99, times[n-1], n)
	return p99
}

// If a goroutine starts writes and then computes, another goroutine still gets them
// soon after they end.
func TestWritesEndWhileTheirSubmitterIsBusy(t *testing.T) {
	const pages, writes = 64, 200
	onBothEngines(t, pages*kib4, func(t *testing.T, name string, o Options) {
		f := opened(t, name, o)
		q := f.Queue(4)
		begun := make([]time.Time, writes)
		var times []time.Duration
		var waiter sync.WaitGroup
		waiter.Go(func() {
			for w := q.Wait(); w != nil; w = q.Wait() {
				if times = append(times, time.Since(begun[w.Tag.(int)])); w.Err != nil {
					t.Error(w.Err)
				}
			}
		})
		for i := range writes {
			begun[i] = time.Now()
			starts(t, q, &Write{Buf: AlignedBuffer(kib4), Off: int64(i%pages) * kib4, Tag: i})
			for time.Since(begun[i]) < 2*time.Millisecond { // and never yields
			}
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		waiter.Wait()
		if len(times) != writes {
			t.Fatalf("%d of %d came back", len(times), writes)
		}
		if p99 := quantiles(t, "write of 4 KiB beside its busy submitter", times); p99 > time.Second {
			t.Errorf("p99 is %v", p99)
		}
	})
}

// trueOf compares the receipts of writes that overlap nothing with the media.
func trueOf(t *testing.T, name string, ws []*Write) {
	t.Helper()
	media := testenv.Media(t, name)
	for _, w := range ws {
		got := media[w.Off:][:w.Receipt.N]
		if w.Err != nil || w.Receipt.N != w.state.nOf() || w.Receipt.Summed && crcguard.Checksum(got) != w.Receipt.Sum {
			t.Errorf("%d bytes at %d: %v, receipt %+v, the media have %#x", w.state.nOf(), w.Off, w.Err, w.Receipt, crcguard.Checksum(got))
		}
	}
}

// nOf returns the length of the Write.
func (st *progress) nOf() int { return st.n }

// sparse makes all of a file a hole. The kernel writes into holes on a thread that
// may block.
func sparse(t *testing.T, name string, bytes int64) {
	t.Helper()
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, bytes); err != nil {
		t.Fatal(err)
	}
}

// again counts the submissions of ws that were repeated. No buffer changed, so the
// kernel had cancelled the first ones.
func again(ws []*Write) (n int) {
	for _, w := range ws {
		n += w.Receipt.Submissions - 1
	}
	return n
}

// The thread that a write was started on may end before the write has: the kernel cancels
// a write that has not begun, and the library submits it again.
func TestWritesOutliveTheThreadThatStartedThem(t *testing.T) {
	t.Parallel()
	const each, size, rounds = 64, 64 << 10, 24 // rounds of each strategy, dense and sparse, with and without a pause
	onBothEngines(t, each*size, func(t *testing.T, name string, o Options) {
		cancelled := 0
		for round := range rounds {
			if round%2 == 1 {
				sparse(t, name, each*size)
			}
			f := opened(t, name, o.with([]Strategy{Verify, Bounce, Raw}[round%3]))
			q := f.Queue(each)
			var ws []*Write
			for k, p := range Buffers(each, size) {
				ws = append(ws, &Write{Buf: fillBlock(p, byte(round*each+k)), Off: int64(k * size)})
			}
			started := make(chan struct{})
			go func() {
				defer close(started)
				runtime.LockOSThread() // and never unlocked: the thread ends
				for _, w := range ws {
					starts(t, q, w)
				}
			}()
			<-started
			if round%4 == 0 {
				time.Sleep(time.Millisecond)
			}
			if n := drained(t, q); n != each {
				t.Fatalf("round %d: %d of %d came back", round, n, each)
			}
			q.Close()
			f.Close()
			trueOf(t, name, ws)
			cancelled += again(ws)
		}
		t.Logf("%d submissions of %d were cancelled", cancelled, rounds*each)
	})
}

// signalAll sends SIGURG to every thread until stop is set.
func signalAll(stop *atomic.Bool) (sent int) {
	for !stop.Load() {
		threads, _ := os.ReadDir("/proc/self/task")
		for _, thread := range threads {
			if tid, err := strconv.Atoi(thread.Name()); err == nil && unix.Tgkill(unix.Getpid(), tid, unix.SIGURG) == nil {
				sent++
			}
		}
		time.Sleep(50 * time.Microsecond)
	}
	return sent
}

// Under signals every Write returns once, whether the kernel writes inline or on a
// thread.
func TestSignalsLoseNoWrite(t *testing.T) {
	t.Parallel()
	const slots, size, depth = 64, 64 << 10, 32
	onBothEngines(t, slots*size, func(t *testing.T, name string, o Options) {
		var stop atomic.Bool
		var sender sync.WaitGroup
		sent := 0
		sender.Go(func() { sent = signalAll(&stop) })
		defer sender.Wait()
		defer stop.Store(true)
		total, cancelled := 0, 0
		bufs, whole := Buffers(slots, size), random(1, 1<<20)
		for round, began := 0, time.Now(); time.Since(began) < 700*time.Millisecond; round++ {
			if round%2 == 1 {
				sparse(t, name, slots*size)
			}
			f := opened(t, name, o.with([]Strategy{Verify, Bounce}[round/2%2]))
			q := f.Queue(depth)
			back := make(map[*Write]int)
			var ws []*Write
			take := func(w *Write) {
				back[w]++
				ws = append(ws, w)
			}
			for k := range slots {
				starts(t, q, &Write{Buf: fillBlock(bufs[k], byte(round*slots+k)), Off: int64(k * size)})
				if k%3 == 0 {
					if w := q.Poll(); w != nil {
						take(w)
					}
				}
			}
			for w := range q.Drain() {
				take(w)
			}
			if len(ws) != slots || len(back) != slots {
				t.Fatalf("round %d: %d returned, %d of them different, of %d", round, len(ws), len(back), slots)
			}
			cancelled += again(ws)
			if err := f.Do(&Write{Buf: whole}); err != nil {
				t.Error(err)
			}
			for _, w := range ws[:16] { // again, over what Do wrote
				starts(t, q, w)
			}
			drained(t, q)
			for _, w := range ws {
				if w.Off < 1<<20 && !slices.Contains(ws[:16], w) {
					starts(t, q, w)
				}
			}
			drained(t, q)
			q.Close()
			f.Close()
			trueOf(t, name, ws)
			total += slots
		}
		stop.Store(true)
		sender.Wait()
		t.Logf("%d writes, %d signals, %d submissions were cancelled", total, sent, cancelled)
	})
}
