package stablewrite

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// writer is one way to write, by some goroutines. Before each write it stores to every
// page of the buffer, as a program with new data does, so the faults that tracking
// causes are a part of its time.
type writer struct {
	name   string
	f      *File
	memory []byte
	at     []int // offset in memory of each goroutine
	bytes  []int64
}

// BenchmarkTracking compares tracking with the digest and with a copy, all relative to
// raw in the same round:
//
//	go test -run '^$' -bench Tracking -benchtime 1x -v ./stablewrite
func BenchmarkTracking(b *testing.B) {
	name := benchFile(b)
	for _, pages := range []struct {
		name   string
		advice int
	}{{"4k pages", unix.MADV_NOHUGEPAGE}, {"huge pages", unix.MADV_HUGEPAGE}} {
		b.Run(pages.name, func(b *testing.B) {
			const cold = 1 << 30 // more than the last-level cache
			tracked := anonymous(b, cold, pages.advice)
			plain := mapped(b, cold, pages.advice) // not tracked, so its huge pages are not split
			if err := unix.Madvise(plain, unix.MADV_POPULATE_WRITE); err != nil {
				b.Fatal(err)
			}
			for _, heat := range []string{"hot", "cold"} {
				for _, size := range []int{4 << 10, 64 << 10, 1 << 20, 16 << 20} {
					for _, goroutines := range []int{1, 2} {
						b.Run(fmt.Sprintf("%s/%dk/%d writers", heat, size>>10, goroutines), func(b *testing.B) {
							var all []*writer
							for _, o := range []Options{{Strategy: Raw}, {}, {DetectBy: ByTracking, RequireTracking: true}, {Strategy: Bounce}} {
								w := &writer{name: o.Strategy.String(), f: openBench(b, name, o), memory: plain, at: make([]int, goroutines), bytes: make([]int64, goroutines)}
								if o.tracks() {
									w.name, w.memory = w.name+" by "+o.DetectBy.String(), tracked
								}
								all = append(all, w)
							}
							race(b, all, size, heat == "hot")
						})
					}
				}
			}
		})
	}
}

// race has all writers write in turn, round after round.
func race(b *testing.B, all []*writer, size int, hot bool) {
	const rounds, each = 7, 60 * time.Millisecond
	ratios, cpu := make([][]float64, len(all)), make([]float64, len(all))
	for range b.N {
		for round := range rounds {
			speeds := make([]float64, len(all))
			for i := range all {
				k := (i + round) % len(all)
				before := processorTime()
				speeds[k] = all[k].write(b, size, hot, each)
				cpu[k] += (processorTime() - before).Seconds()
			}
			for k := range all {
				ratios[k] = append(ratios[k], speeds[k]/speeds[0])
			}
		}
	}
	for k, w := range all {
		slices.Sort(ratios[k])
		n, s := len(ratios[k]), w.f.Stats()
		b.Logf("%-20s %.2f of raw, quartiles %.2f and %.2f, n=%d; %.3f s/GiB", w.name, ratios[k][n/2], ratios[k][n/4], ratios[k][3*n/4], n, cpu[k]/float64(s.Bytes)*(1<<30))
	}
}

// write writes for a time and returns bytes a second.
func (w *writer) write(b *testing.B, size int, hot bool, d time.Duration) float64 {
	began, before := time.Now(), w.f.Stats().Bytes
	var wg sync.WaitGroup
	for g := range w.at {
		wg.Go(func() {
			mine := w.memory[g*len(w.memory)/len(w.at):][:len(w.memory)/len(w.at)]
			region := int64(benchRegion / len(w.at))
			one := Write{Off: int64(g) * region}
			for time.Since(began) < d {
				one.Buf = mine[w.at[g]:][:size]
				if !hot {
					w.at[g] = (w.at[g] + size) % len(mine)
				}
				for i := 0; i < size; i += kib4 {
					one.Buf[i]++
				}
				one.Off = int64(g)*region + w.bytes[g]%region
				if err := w.f.Do(&one); err != nil {
					b.Error(err)
					return
				}
				w.bytes[g] += int64(size)
			}
		})
	}
	wg.Wait()
	return float64(w.f.Stats().Bytes-before) / time.Since(began).Seconds()
}
