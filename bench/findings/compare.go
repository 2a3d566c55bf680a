package findings

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Comparison summarizes timings that differ only by round, and compares them with raw
// in the same rounds. Times are medians of the rounds.
type Comparison struct {
	record.CostKey
	N          int     // rounds
	Throughput float64 // bytes per second

	CPU, CPUUser, CPUSystem float64 // seconds per GiB; CPU is user and system
	// Latencies in ns. P99 is 0 if a round had fewer than 100 writes, because it would be
	// the slowest of them, and P999 if a round had fewer than 1000.
	P50, P99, P999 float64
	Amplification  float64
	PoolPeak       int // bytes, the largest
	// As in record.Cost; "" if rounds differ.
	Backing, Private, Engine string
	Extents                  int                    // of the file, the most; 0 if the file system cannot tell
	Written                  stablewrite.Directness // unknown if rounds differ
	// Ratio is the throughput divided by that of raw in the same round: median and 95%
	// interval by order statistics, which assumes no distribution. The interval takes
	// 6 rounds; with fewer Lo and Hi are infinite. All are 0 if raw was not timed.
	Ratio, Lo, Hi float64
	// AgainLo and AgainHi are the interval of raw against raw (A/A), which shows the
	// noise; 0 if that was not timed.
	AgainLo, AgainHi float64
	// Noise: the interval of the ratio contains 1, or lies within that of A/A, so the
	// writer may be as fast as raw. Never set for raw itself, nor without A/A.
	Noise bool
	// Checked counts writes whose media were read back, and Torn the writes among them
	// whose media differ from the receipt.
	Checked, Torn int64
}

// Bounded reports whether there were enough rounds for an interval of Ratio.
func (c Comparison) Bounded() bool {
	return c.Ratio > 0 && !math.IsInf(c.Lo, 0) && !math.IsInf(c.Hi, 0)
}

// Compare summarizes recs, in order of target and its delay, cold after hot, size, depth, share
// of changed writes, in two steps after one, and first appearance.
func Compare(recs []record.Cost) []Comparison {
	cells, order := byCell(recs)
	slices.SortStableFunc(order, byKind)
	var all []Comparison
	for _, k := range order {
		c := compare(k, cells[k], cells[k.Base()])
		if again := ratios(cells[k.Again()], cells[k.Base()]); len(again) > 0 {
			s := summarize(again)
			c.AgainLo, c.AgainHi = s.Lo, s.Hi
			c.Noise = k != k.Base() && k != k.Again() && (c.Lo <= 1 && c.Hi >= 1 || c.AgainLo <= c.Lo && c.Hi <= c.AgainHi)
		}
		all = append(all, c)
	}
	return all
}

// byKind orders keys by all that the writers of a Kind have in common.
func byKind(a, b record.CostKey) int {
	return cmp.Or(byPlace(a, b), a.Size-b.Size, a.Depth-b.Depth, byChange(a, b))
}

// byPlace puts disks before simulated targets, and hot buffers before cold ones.
func byPlace(a, b record.CostKey) int {
	targets := []record.Target{record.OnFile, record.OnDevice, record.OnDelay, record.OnNull}
	return cmp.Or(slices.Index(targets, a.Target)-slices.Index(targets, b.Target), compareBool(a.Cold, b.Cold),
		cmp.Compare(a.DelayLatencyNS, b.DelayLatencyNS), cmp.Compare(a.DelayBytesPerSecond, b.DelayBytesPerSecond))
}

func byChange(a, b record.CostKey) int {
	return cmp.Or(cmp.Compare(a.Mutated, b.Mutated), compareBool(a.TwoSteps, b.TwoSteps), a.ChangedBlocks-b.ChangedBlocks)
}

// compareBool puts false first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// byCell sorts recs by key and round, and lists the keys by first appearance.
func byCell(recs []record.Cost) (cells map[record.CostKey]map[int]record.Cost, order []record.CostKey) {
	cells = map[record.CostKey]map[int]record.Cost{}
	for _, r := range recs {
		k := r.Key()
		if cells[k] == nil {
			cells[k] = map[int]record.Cost{}
			order = append(order, k)
		}
		cells[k][r.Round] = r
	}
	return cells, order
}

// ratios divide the throughput by that of raw in the same round.
func ratios(rounds, raw map[int]record.Cost) (all []float64) {
	for round, r := range rounds {
		if base, ok := raw[round]; ok {
			all = append(all, speed(r)/speed(base))
		}
	}
	return all
}

func compare(k record.CostKey, rounds, raw map[int]record.Cost) Comparison {
	all := slices.Collect(maps.Values(rounds))
	median := func(value func(record.Cost) float64) float64 { return summarize(each(all, value)).Center }
	perGiB := func(r record.Cost, seconds float64) float64 { return seconds / float64(r.Bytes) * (1 << 30) }
	c := Comparison{
		CostKey: k, N: len(rounds),
		Throughput:    median(speed),
		CPU:           median(func(r record.Cost) float64 { return perGiB(r, r.CPUUserSeconds+r.CPUSystemSeconds) }),
		CPUUser:       median(func(r record.Cost) float64 { return perGiB(r, r.CPUUserSeconds) }),
		CPUSystem:     median(func(r record.Cost) float64 { return perGiB(r, r.CPUSystemSeconds) }),
		P50:           median(func(r record.Cost) float64 { return float64(r.P50NS) }),
		P99:           median(func(r record.Cost) float64 { return float64(r.P99NS) }),
		P999:          median(func(r record.Cost) float64 { return float64(r.P999NS) }),
		Amplification: median(func(r record.Cost) float64 { return r.Amplification }),
		Written:       common(all, func(r record.Cost) stablewrite.Directness { return r.Written }),
		Backing:       common(all, func(r record.Cost) string { return r.Backing }),
		Private:       common(all, func(r record.Cost) string { return r.Private }),
		Engine:        common(all, func(r record.Cost) string { return r.Engine }),
	}
	for _, r := range all {
		n := max(r.Writes, r.Bytes/int64(r.Size)) // old Records have no Writes
		if n < 100 {
			c.P99 = 0
		}
		if n < 1000 {
			c.P999 = 0
		}
		c.PoolPeak = max(c.PoolPeak, r.PoolPeak)
		if r.Extents != nil {
			c.Extents = max(c.Extents, *r.Extents)
		}
		c.Checked += r.Checked
		c.Torn += r.Torn
	}
	if of := ratios(rounds, raw); len(of) > 0 {
		s := summarize(of)
		c.Ratio, c.Lo, c.Hi = s.Center, s.Lo, s.Hi
	}
	return c
}

// common is the value that all rounds have, or the zero value.
func common[V comparable](rounds []record.Cost, value func(record.Cost) V) (v V) {
	if len(parted(rounds, value)) == 1 {
		v = value(rounds[0])
	}
	return v
}

func speed(r record.Cost) float64 { return float64(r.Bytes) / r.Seconds }

func summarize(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), 0.95)
}
