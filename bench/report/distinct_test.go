package report

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"stablepages/bench/findings"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// BenchmarkDistinct computes and renders findings of Records that all differ in what parts them: the time of
// each must not grow with their number.
func BenchmarkDistinct(b *testing.B) {
	system := &record.System{CPUs: 2, Kernel: "6.1", FileSystem: "ext4", Device: "vda"}
	race := record.Repro{Strategy: stablewrite.Verify, Mutator: mutator.ABA, Gate: true, Size: 4096, Writes: 9, Overlapped: 9, Torn: 2, System: system}
	timing := record.Cost{Strategy: stablewrite.Raw, Size: 4096, Depth: 1, Round: 1, Bytes: 1 << 20, Seconds: 1, P50NS: 9, System: system}
	for _, of := range []struct {
		name string
		make func(i int) any
	}{
		{"systems", func(i int) any {
			r := race
			r.System = &record.System{CPUs: i, Kernel: "6.1"}
			return r
		}},
		{"holds", func(i int) any { r := race; r.HoldNS = int64(i); return r }},
		{"raced sizes", func(i int) any { r := race; r.Size = i + 1; return r }},
		{"timed sizes", func(i int) any { c := timing; c.Size = i + 1; return c }},
		{"shares", func(i int) any { c := timing; c.Mutated = float64(i) / (1 << 20); return c }},
		{"delays", func(i int) any { c := timing; c.Target, c.DelayLatencyNS = record.OnDelay, int64(i); return c }},
	} {
		for _, n := range []int{1 << 14, 1 << 16, 1 << 18} {
			var res record.Results
			for i := range n {
				res.Add(of.make(i))
			}
			f := findings.Of(res)
			all := append(Formats(), Format{Name: "findings", Write: func(_ io.Writer, f findings.Findings) error {
				findings.Of(f.Results)
				return nil
			}})
			for _, format := range all {
				b.Run(fmt.Sprintf("%s/n=%d/%s", of.name, n, format.Name), func(b *testing.B) {
					start := time.Now()
					for range b.N {
						if err := format.Write(io.Discard, f); err != nil && !errors.Is(err, errNothingToDraw) && format.Name != "benchfmt" {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(b.N)/float64(n), "ns/Record")
				})
			}
		}
	}
}
