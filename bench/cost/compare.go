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
	TwoSteps bool
	// The others are as in record.Cost.
	ChangedBlocks       int
	DelayLatencyNS      int64
	DelayBytesPerSecond float64
}

// CellOf is the Cell that r is of.
func CellOf(r record.Cost) Cell {
	return Cell{r.Strategy, r.Variant, r.Target, r.Cold, r.Size, r.Depth, r.Mutated, r.TwoSteps, r.ChangedBlocks, r.DelayLatencyNS, r.DelayBytesPerSecond}
}

// Writer is as [record.Cost.Writer].
func (c Cell) Writer() string { return record.Cost{Strategy: c.Strategy, Variant: c.Variant}.Writer() }

// Base is the Cell that c is held against: plain raw writes of the same kind, of
// which as many change. Raw does nothing about that, so what a change costs is
// what the strategy does about it. What it costs to make the change, and to submit
// in a way that lets it be made, is in both.
func (c Cell) Base() Cell {
	c.Strategy, c.Variant = stablewrite.Raw, ""
	return c
}

// again is the Cell of the same kind that differs from Base by nothing.
func (c Cell) again() Cell {
	c.Strategy, c.Variant = stablewrite.Raw, record.Again
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

// Compare summarizes recs, in order of target and its delay, cold after hot, size, depth, share
// of changed writes, in two steps after one, and first appearance.
func Compare(recs []record.Cost) []Comparison {
	cells, order := byCell(recs)
	slices.SortStableFunc(order, byKind)
	var all []Comparison
	for _, k := range order {
		c := compare(k, cells[k], cells[k.Base()])
		if again := ratios(cells[k.again()], cells[k.Base()]); len(again) > 0 {
			s := summarize(again)
			c.AgainLo, c.AgainHi = s.Lo, s.Hi
			c.Noise = k != k.Base() && k != k.again() && (c.Lo <= 1 && c.Hi >= 1 || c.AgainLo <= c.Lo && c.Hi <= c.AgainHi)
		}
		all = append(all, c)
	}
	return all
}

// byKind orders Cells by all that does not tell writers of a kind apart.
func byKind(a, b Cell) int {
	return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.DelayLatencyNS, b.DelayLatencyNS), cmp.Compare(a.DelayBytesPerSecond, b.DelayBytesPerSecond), compareBool(a.Cold, b.Cold),
		a.Size-b.Size, a.Depth-b.Depth, cmp.Compare(a.Mutated, b.Mutated), compareBool(a.TwoSteps, b.TwoSteps), a.ChangedBlocks-b.ChangedBlocks)
}

// byCell sorts recs by Cell and round, and lists the Cells by first appearance.
func byCell(recs []record.Cost) (cells map[Cell]map[int]record.Cost, order []Cell) {
	cells = map[Cell]map[int]record.Cost{}
	for _, r := range recs {
		k := CellOf(r)
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
	for _, r := range rounds {
		c.Written, c.Backing, c.Private, c.Engine = r.Written, r.Backing, r.Private, r.Engine
	}
	for _, r := range rounds {
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
