package cost

import (
	"cmp"
	"slices"

	"golang.org/x/perf/benchmath"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Cell is what makes two timings comparable but for their round.
type Cell struct {
	Strategy stablewrite.Strategy
	Variant  record.Variant
	Target   record.Target
	Cold     bool
	Size     int
	Depth    int
	Mutated  float64
}

// cellOf is the Cell that r is of.
func cellOf(r record.Cost) Cell {
	return Cell{r.Strategy, r.Variant, r.Target, r.Cold, r.Size, r.Depth, r.Mutated}
}

// Writer is as [record.Cost.Writer].
func (c Cell) Writer() string { return record.Cost{Strategy: c.Strategy, Variant: c.Variant}.Writer() }

// base is the Cell that c is held against: plain raw writes that nothing changes,
// of the same kind. What a change costs is part of what a strategy costs.
func (c Cell) base() Cell {
	c.Strategy, c.Variant, c.Mutated = stablewrite.Raw, "", 0
	return c
}

// Comparison is one Cell over all rounds, held against raw in the same rounds.
type Comparison struct {
	Cell
	N             int     // rounds
	Throughput    float64 // bytes per second, median
	CPU           float64 // seconds per GiB, user and system, median
	CPUUser       float64 // of these
	CPUSystem     float64
	P50           float64 // ns, median of the rounds, as all that follow
	P99           float64
	P999          float64
	Amplification float64
	PoolPeak      int // bytes, the largest
	// Ratio of throughput to raw's in the same round: median and 95% interval
	// by order statistics, which assumes nothing of the distribution. It takes
	// 6 rounds; with fewer Lo and Hi are infinite. All are 0 where raw was not
	// timed.
	Ratio, Lo, Hi float64
}

// Compare summarizes recs, in order of target, cold after hot, size, depth, share
// of changed writes, and first appearance.
func Compare(recs []record.Cost) []Comparison {
	cells := map[Cell]map[int]record.Cost{}
	var order []Cell
	for _, r := range recs {
		k := cellOf(r)
		if cells[k] == nil {
			cells[k] = map[int]record.Cost{}
			order = append(order, k)
		}
		cells[k][r.Round] = r
	}
	slices.SortStableFunc(order, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), compareBool(a.Cold, b.Cold), a.Size-b.Size, a.Depth-b.Depth, cmp.Compare(a.Mutated, b.Mutated))
	})
	var all []Comparison
	for _, k := range order {
		all = append(all, compare(k, cells[k], cells[k.base()]))
	}
	return all
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func compare(k Cell, rounds, raw map[int]record.Cost) Comparison {
	over := func(value func(record.Cost) float64) float64 {
		var values []float64
		for _, r := range rounds {
			values = append(values, value(r))
		}
		return summarize(values).Center
	}
	perGiB := func(seconds float64, r record.Cost) float64 { return seconds / float64(r.Bytes) * (1 << 30) }
	c := Comparison{
		Cell: k, N: len(rounds),
		Throughput:    over(speed),
		CPU:           over(func(r record.Cost) float64 { return perGiB(r.CPUUserSeconds+r.CPUSystemSeconds, r) }),
		CPUUser:       over(func(r record.Cost) float64 { return perGiB(r.CPUUserSeconds, r) }),
		CPUSystem:     over(func(r record.Cost) float64 { return perGiB(r.CPUSystemSeconds, r) }),
		P50:           over(func(r record.Cost) float64 { return float64(r.P50NS) }),
		P99:           over(func(r record.Cost) float64 { return float64(r.P99NS) }),
		P999:          over(func(r record.Cost) float64 { return float64(r.P999NS) }),
		Amplification: over(func(r record.Cost) float64 { return r.Amplification }),
	}
	var ratios []float64
	for round, r := range rounds {
		c.PoolPeak = max(c.PoolPeak, r.PoolPeak)
		if base, ok := raw[round]; ok {
			ratios = append(ratios, speed(r)/speed(base))
		}
	}
	if len(ratios) > 0 {
		s := summarize(ratios)
		c.Ratio, c.Lo, c.Hi = s.Center, s.Lo, s.Hi
	}
	return c
}

// speed is bytes per second.
func speed(r record.Cost) float64 { return float64(r.Bytes) / r.Seconds }

func summarize(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), 0.95)
}
