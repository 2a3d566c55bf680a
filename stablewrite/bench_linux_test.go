package stablewrite

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stablepages/stablewrite/testenv"
)

// BenchmarkSegments is where DefaultSegmentBytes and maxLanes come from: writes
// of one size, one at a time, over a file that exists, in segments of several
// lengths on several lanes, each against raw in the same round.
func BenchmarkSegments(b *testing.B) {
	const region, rounds, each = 64 << 20, 7, 100 * time.Millisecond
	name := filepath.Join(testenv.DirectDir(b), "f")
	if err := os.WriteFile(name, random(1, region), 0o600); err != nil {
		b.Fatal(err)
	}
	file := func(o Options, lanes int) *File {
		f, err := Open(name, o)
		if err != nil {
			b.Fatal(err)
		}
		f.lanes = lanes
		b.Cleanup(func() { f.Close() })
		return f
	}
	pool := NewPool(64 << 20)
	files := []*File{file(Options{Strategy: Raw}, 1)}
	for _, s := range []Strategy{Verify, Bounce} {
		files = append(files, file(Options{Strategy: s, SegmentBytes: region, Pool: pool}, 1))
		for _, segment := range []int{128 << 10, 256 << 10, 512 << 10} {
			for _, lanes := range []int{2, 3, 4} {
				files = append(files, file(Options{Strategy: s, SegmentBytes: segment, Pool: pool}, lanes))
			}
		}
	}
	p := random(2, 16<<20)
	for _, size := range []int{256 << 10, 512 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprintf("%dk", size>>10), func(b *testing.B) {
			ratios := make([][]float64, len(files))
			for range b.N {
				for round := range rounds {
					speeds := make([]float64, len(files))
					for i := range files {
						k := (i + round) % len(files)
						speeds[k] = overwrite(b, files[k], p[:size], region, each)
					}
					for k := range files {
						ratios[k] = append(ratios[k], speeds[k]/speeds[0])
					}
				}
			}
			for k, f := range files {
				slices.Sort(ratios[k])
				n := len(ratios[k])
				segment := min(f.segment, size)
				if f.opts.Strategy == Raw {
					segment = size
				}
				fmt.Printf("%6dk %-7v segments of %5dk, %d lanes: %.2f of raw, quartiles %.2f and %.2f, n=%d\n",
					size>>10, f.opts.Strategy, segment>>10, f.lanes, ratios[k][n/2], ratios[k][n/4], ratios[k][3*n/4], n)
			}
		})
	}
}

// overwrite writes p over and over for a time and returns bytes a second.
func overwrite(b *testing.B, f *File, p []byte, region int64, d time.Duration) float64 {
	began, bytes := time.Now(), int64(0)
	for time.Since(began) < d {
		n, err := f.WriteAt(p, bytes%region)
		if err != nil {
			b.Fatal(err)
		}
		bytes += int64(n)
	}
	return float64(bytes) / time.Since(began).Seconds()
}
