package cost

import (
	"slices"

	"golang.org/x/perf/benchmath"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Comparison is one strategy at one size and depth, over all rounds, held
// against raw in the same rounds.
type Comparison struct {
	Strategy    stablewrite.Strategy
	Size, Depth int
	N           int     // rounds
	Throughput  float64 // bytes per second, median
	CPU         float64 // seconds per GiB, user and system, median
	P99         float64 // ns, median of the rounds
	// Ratio of throughput to raw's in the same round: median and 95% interval
	// by order statistics, which assumes nothing of the distribution. It takes
	// 6 rounds; with fewer Lo and Hi are infinite.
	Ratio, Lo, Hi float64
}

type cellKey struct {
	strategy    stablewrite.Strategy
	size, depth int
}

// Compare summarizes recs, in order of size, depth and first appearance.
func Compare(recs []record.Cost) []Comparison {
	cells := map[cellKey]map[int]record.Cost{}
	var order []cellKey
	for _, r := range recs {
		k := cellKey{r.Strategy, r.Size, r.Depth}
		if cells[k] == nil {
			cells[k] = map[int]record.Cost{}
			order = append(order, k)
		}
		cells[k][r.Round] = r
	}
	slices.SortStableFunc(order, func(a, b cellKey) int {
		if a.size != b.size {
			return a.size - b.size
		}
		return a.depth - b.depth
	})
	var all []Comparison
	for _, k := range order {
		all = append(all, compare(k, cells[k], cells[cellKey{stablewrite.Raw, k.size, k.depth}]))
	}
	return all
}

func compare(k cellKey, rounds, raw map[int]record.Cost) Comparison {
	var throughput, cpu, p99, ratios []float64
	for round, r := range rounds {
		speed := float64(r.Bytes) / r.Seconds
		throughput = append(throughput, speed)
		cpu = append(cpu, (r.CPUUserSeconds+r.CPUSystemSeconds)/float64(r.Bytes)*(1<<30))
		p99 = append(p99, float64(r.P99NS))
		if base, ok := raw[round]; ok {
			ratios = append(ratios, speed/(float64(base.Bytes)/base.Seconds))
		}
	}
	c := Comparison{Strategy: k.strategy, Size: k.size, Depth: k.depth, N: len(rounds),
		Throughput: median(throughput), CPU: median(cpu), P99: median(p99)}
	if len(ratios) > 0 {
		s := summarize(ratios)
		c.Ratio, c.Lo, c.Hi = s.Center, s.Lo, s.Hi
	}
	return c
}

func summarize(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), 0.95)
}

func median(values []float64) float64 { return summarize(values).Center }
