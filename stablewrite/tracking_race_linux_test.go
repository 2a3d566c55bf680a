package stablewrite

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

// racers change tracked memory so that no digest sees it: each change is restored, after
// a moment or at once, in any of the ways that go through the page table.
func racers(t *testing.T, p []byte) (stop func()) {
	over := make(chan struct{})
	var wg sync.WaitGroup
	var pipe [2]int
	mustDo(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	for k := range 2 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(2011, uint64(k)))
			half := p[k*len(p)/2:][:len(p)/2]
			for {
				select {
				case <-over:
					return
				default:
				}
				at := rng.IntN(len(half))
				was := half[at]
				if rng.IntN(4) == 0 {
					_, err := unix.Write(pipe[1], []byte{was + 1})
					mustDo(t, err)
					_, err = unix.Read(pipe[0], half[at:at+1])
					mustDo(t, err)
				} else {
					half[at] = was + 1
				}
				for end := time.Now().Add(time.Duration(rng.IntN(100)) * time.Microsecond); time.Now().Before(end); {
				}
				half[at] = was
			}
		})
	}
	return func() {
		close(over)
		wg.Wait()
		mustDo(t, errors.Join(unix.Close(pipe[0]), unix.Close(pipe[1])))
	}
}

// Two Files, Do and Queues, ring and blocking calls, segments, all from one buffer that
// changes and is restored all the time, on small pages and on huge ones: each receipt
// is true of the media, and without tracking some are not.
func TestTrackingHoldsWhileABufferChangesAndIsRestored(t *testing.T) {
	const blocks = 64
	for name, tc := range map[string]struct {
		advice int
		by     Detection
	}{
		"small pages": {unix.MADV_NOHUGEPAGE, ByTracking}, "huge pages": {unix.MADV_HUGEPAGE, ByTracking}, "by the digest": {unix.MADV_NOHUGEPAGE, ByDigest},
	} {
		t.Run(name, func(t *testing.T) {
			p := anonymous(t, blocks*kib4, tc.advice)
			for i := range p {
				p[i] = byte(i / 512)
			}
			stop := racers(t, p)
			defer stop()
			defer watch(t.Name(), patience)()
			dir, duration := testenv.DirectDir(t), loadTime(t)/3
			var torn, changed, writes [2]int
			var wg sync.WaitGroup
			for k, engine := range []Engine{ByCalls, AnyEngine} {
				wg.Go(func() {
					file := filepath.Join(dir, engine.String())
					mustDo(t, os.WriteFile(file, make([]byte, 2*blocks*kib4), 0o600))
					f, err := Open(file, Options{DetectBy: tc.by, RequireTracking: tc.by == ByTracking, SegmentBytes: 16 * kib4, Engine: engine})
					if err != nil {
						t.Error(err)
						return
					}
					defer f.Close()
					goesOn := func() bool { return torn[k] == 0 } // until a torn write was seen
					if began := time.Now(); tc.by == ByTracking {
						goesOn = func() bool { return time.Since(began) < duration || changed[k] == 0 }
					}
					for goesOn() && !t.Failed() {
						for _, w := range raceOnce(t, f, p) {
							writes[k]++
							changed[k] += min(1, w.Receipt.ChangedBlocks)
							sums := make([]uint32, crcguard.Blocks(len(w.Buf)))
							crcguard.ChecksumBlocks(testenv.Media(t, file)[w.Off:][:len(w.Buf)], sums)
							if !slices.Equal(sums, w.Sums) {
								torn[k]++
							}
						}
					}
				})
			}
			wg.Wait()
			t.Logf("by %v: of %v writes %v changed, %v torn", tc.by, writes, changed, torn)
			if tc.by == ByTracking && torn != [2]int{} {
				t.Error("torn")
			}
		})
	}
}

// raceOnce writes p, and at the same time its second half to another place.
func raceOnce(t *testing.T, f *File, p []byte) (all []*Write) {
	t.Helper()
	q := f.Queue(2)
	defer q.Close()
	for i, part := range [][]byte{p, p[len(p)/2:]} {
		w := &Write{Buf: part, Off: int64(i * len(p)), Sums: make([]uint32, crcguard.Blocks(len(part)))}
		if err := q.Start(w); err != nil {
			t.Error(err)
			return nil
		}
		all = append(all, w)
	}
	for range all {
		if w := q.Wait(); w.Err != nil {
			t.Error(w.Err)
		}
	}
	return all
}
