package cost

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stablepages/bench/record"
	"stablepages/stablewrite"
	"stablepages/stablewrite/testenv"
)

// BenchmarkStrategies prints every strategy against raw, in the same rounds, on a
// file on a real disk. 16 MiB at depth 16 writes 256 MiB to it.
func BenchmarkStrategies(b *testing.B) {
	f, err := os.Create(filepath.Join(testenv.DirectDir(b), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	strategies := append([]stablewrite.Strategy{stablewrite.Raw}, stablewrite.Verify, stablewrite.Bounce, stablewrite.Adaptive, stablewrite.Buffered)
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprintf("%dk", size>>10), func(b *testing.B) {
			var recs []record.Cost
			p := Plan{Target: f, Strategies: strategies, Sizes: []int{size}, Depths: []int{1, 4, 16}, Rounds: 9, Time: 150 * time.Millisecond}
			for range b.N {
				if err := Run(context.Background(), p, nil, func(r record.Cost) error {
					recs = append(recs, r)
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
			for _, c := range Compare(recs) {
				fmt.Printf("%6dk depth %2d %-8v %6.0f MB/s  %.2f of raw, 95%% %.2f to %.2f, n=%d  %.2f CPU s/GiB\n",
					size>>10, c.Depth, c.Strategy, c.Throughput/1e6, c.Ratio, c.Lo, c.Hi, c.N, c.CPU)
			}
		})
	}
}
