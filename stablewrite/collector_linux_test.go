package stablewrite

import (
	"bytes"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// churn allocates memory, fills it with v, and collects garbage, until it is stopped.
func churn(stop chan struct{}, v byte, size int) {
	for {
		for range 64 {
			fillBlock(make([]byte, size), v)
		}
		runtime.GC()
		select {
		case <-stop:
			return
		default:
		}
	}
}

// If a program drops Queue, File and buffers with writes in flight, the right bytes
// land: the buffers are reachable until their writes have ended, and not longer.
func TestWhatIsDroppedInFlightIsWritten(t *testing.T) {
	const slots, size, pattern, rounds = 256, 64 << 10, 0x5a, 6 // rounds of each strategy, dense and sparse
	onBothEngines(t, slots*size, func(t *testing.T, name string, o Options) {
		stop := make(chan struct{})
		var other sync.WaitGroup
		other.Go(func() { churn(stop, pattern, size) })
		defer other.Wait()
		defer close(stop)
		before := nowHeld()
		for round := range rounds {
			if round%2 == 1 { // writes into holes take longer
				sparse(t, name, slots*size)
			}
			func() {
				f, err := Open(name, o.with([]Strategy{Verify, Raw, Bounce}[round%3]))
				if err != nil {
					t.Fatal(err)
				}
				q := f.Queue(slots)
				for k := range slots {
					starts(t, q, &Write{Buf: filled(size, byte(round+1)), Off: int64(k * size)})
				}
			}()
			runtime.GC()
			own, err := Open(name, o) // for its range lock
			if err != nil {
				t.Fatal(err)
			}
			if err := own.Truncate(slots * size); err != nil { // waits for all of it
				t.Fatal(err)
			}
			own.target.drain()
			own.Close()
			want := bytes.Repeat([]byte{byte(round + 1)}, slots*size)
			if got := testenv.Media(t, name); !bytes.Equal(got, want) {
				t.Fatalf("round %d: wrong bytes on the media; %d blocks hold the pattern of other memory", round, bytes.Count(got, bytes.Repeat([]byte{pattern}, kib4)))
			}
		}
		var left error
		for range 20 {
			runtime.GC()
			if left = nowHeld().more(before); left == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("still held after it was dropped: %v", left)
	})
}

// deep makes the stack grow, so that it moves, and fills its frames with pattern.
func deep(n int, pattern byte) (sum byte) {
	var frame [4096]byte
	for i := range frame {
		frame[i] = pattern
	}
	if n > 0 {
		sum = deep(n-1, pattern)
	}
	return sum + frame[n%len(frame)]
}

//go:noinline
func arrayInFlight(t *testing.T, q *Queue, round int) {
	var array [3 * kib4]byte // aligned somewhere
	skip := 0
	for !aligned(array[skip:], kib4) {
		skip += 8
	}
	p := array[skip:][:kib4:kib4]
	fillBlock(p, byte(round))
	w := Write{Buf: p, Off: int64(round) * kib4}
	parts := [2][]byte{p, p}
	v := Write{Bufs: parts[:], Off: int64(round+64) * kib4}
	starts(t, q, &w)
	starts(t, q, &v)
	parts = [2][]byte{} // Start has copied the slice headers
	deep(200, 0x5a)
	runtime.GC()
	if n := drained(t, q); n != 2 {
		t.Errorf("%d Writes came back", n)
	}
}

// A Write, its Bufs and their bytes may lie on a stack that moves during the write.
func TestAnArrayOnAStackMayBeInFlight(t *testing.T) {
	t.Parallel()
	const rounds = 32
	onBothEngines(t, 2*64*kib4+kib4, func(t *testing.T, name string, o Options) {
		for _, s := range []Strategy{Raw, Verify} {
			f := opened(t, name, o.with(s))
			q := f.Queue(2)
			for round := range rounds {
				done := make(chan struct{})
				go func() { // on a small stack
					defer close(done)
					arrayInFlight(t, q, 2*round)
				}()
				<-done
			}
			q.Close()
			f.Close()
			got, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for round := 0; round < 2*rounds; round += 2 {
				for _, b := range []int{round, round + 64, round + 65} {
					if v, err := uniform(block(got, b)); err != nil || v != byte(round) {
						t.Fatalf("%v: block %d: %#x, %v", s, b, v, err)
					}
				}
			}
		}
	})
}
