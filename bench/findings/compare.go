package findings

import (
	"cmp"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Comparison is timings that differ by their round only, beside raw in the same rounds.
type Comparison struct {
	record.CostKey
	N             int     // rounds
	Throughput    float64 // bytes per second, median
	CPU           float64 // seconds per GiB, user and system, median
	CPUUser       float64 // of these
	CPUSystem     float64
	P50           float64 // ns, median of the rounds, as all that follow
	P99           float64 // 0 where a round had fewer than 100 writes: it would be the slowest of them
	P999          float64 // 0 where one had fewer than 1000
	Amplification float64
	PoolPeak      int // bytes, the largest
	// As in record.Cost; "" where rounds differ.
	Backing, Private, Engine string
	Extents                  int                    // of the file, the most; 0 where that cannot be asked
	Written                  stablewrite.Directness // not known where rounds differ
	// Ratio of throughput to raw's in the same round: median and 95% interval
	// by order statistics, which assumes nothing of the distribution. It takes
	// 6 rounds; with fewer Lo and Hi are infinite. All are 0 where raw was not
	// timed.
	Ratio, Lo, Hi float64
	// AgainLo and AgainHi are the interval of raw's ratio to raw itself (A/A), which
	// is noise; 0 where that was not timed.
	AgainLo, AgainHi float64
	// Noise: the interval of the ratio has 1 in it, or lies within that of A/A, so that
	// this may differ from raw by nothing. Never set on raw itself, nor where A/A was not timed.
	Noise bool
	// Checked counts writes whose media were read back, and Torn those of them that
	// were not what the receipt says.
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

// byKind orders keys by all that does not tell writers of a kind apart.
func byKind(a, b record.CostKey) int {
	return cmp.Or(byPlace(a, b), a.Size-b.Size, a.Depth-b.Depth, byChange(a, b))
}

// byPlace puts first keys with a disk below, and hot ones before cold.
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

// ratios are those of throughput in the same rounds.
func ratios(rounds, raw map[int]record.Cost) (all []float64) {
	for round, r := range rounds {
		if base, ok := raw[round]; ok {
			all = append(all, speed(r)/speed(base))
		}
	}
	return all
}

func compare(k record.CostKey, rounds, raw map[int]record.Cost) Comparison {
	over := func(value func(record.Cost) float64) float64 {
		var values []float64
		for _, r := range rounds {
			values = append(values, value(r))
		}
		return summarize(values).Center
	}
	perGiB := func(seconds func(record.Cost) float64) float64 {
		return over(func(r record.Cost) float64 { return seconds(r) / float64(r.Bytes) * (1 << 30) })
	}
	c := Comparison{
		CostKey: k, N: len(rounds),
		Throughput:    over(speed),
		CPU:           perGiB(func(r record.Cost) float64 { return r.CPUUserSeconds + r.CPUSystemSeconds }),
		CPUUser:       perGiB(func(r record.Cost) float64 { return r.CPUUserSeconds }),
		CPUSystem:     perGiB(func(r record.Cost) float64 { return r.CPUSystemSeconds }),
		P50:           over(func(r record.Cost) float64 { return float64(r.P50NS) }),
		P99:           over(func(r record.Cost) float64 { return float64(r.P99NS) }),
		P999:          over(func(r record.Cost) float64 { return float64(r.P999NS) }),
		Amplification: over(func(r record.Cost) float64 { return r.Amplification }),
	}
	first := true
	for _, r := range rounds {
		if first {
			c.Written, c.Backing, c.Private, c.Engine, first = r.Written, r.Backing, r.Private, r.Engine, false
		}
		if n := writes(r); n < 1000 {
			c.P999 = 0
			if n < 100 {
				c.P99 = 0
			}
		}
		c.PoolPeak = max(c.PoolPeak, r.PoolPeak)
		if r.Extents != nil {
			c.Extents = max(c.Extents, *r.Extents)
		}
		if r.Written != c.Written {
			c.Written = stablewrite.DirectUnknown
		}
		c.Backing, c.Private, c.Engine = same(c.Backing, r.Backing), same(c.Private, r.Private), same(c.Engine, r.Engine)
		c.Checked += r.Checked
		c.Torn += r.Torn
	}
	if all := ratios(rounds, raw); len(all) > 0 {
		s := summarize(all)
		c.Ratio, c.Lo, c.Hi = s.Center, s.Lo, s.Hi
	}
	return c
}

func same(a, b string) string {
	if a != b {
		return ""
	}
	return a
}

// writes is how many r is of.
func writes(r record.Cost) int64 { return max(r.Writes, r.Bytes/int64(r.Size)) } // Records of before there was a count have none

// speed is bytes per second.
func speed(r record.Cost) float64 { return float64(r.Bytes) / r.Seconds }

func summarize(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), 0.95)
}
