package findings

import (
	"math"
	"slices"
	"testing"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// row returns nine rounds of a writer at the share mutated, on a machine that gets faster
// from round to round. by is the writer's speed relative to raw, which varies by noise.
func row(w writer, mutated, by, noise float64) (recs []record.Cost) {
	for round := 1; round <= 9; round++ {
		speed := 1e6 * float64(round) * by * (1 + noise*float64(round-5)/4)
		recs = append(recs, record.Cost{
			Kind: record.KindCost, Strategy: w.strategy, Variant: w.variant, Target: record.OnFile, Size: 4096, Depth: 1, Mutated: mutated,
			Round: round, Bytes: int64(speed), Seconds: 1, CPUUserSeconds: speed / (1 << 30), Amplification: 1,
		})
	}
	return recs
}

func compared(t *testing.T, all []Comparison, w writer, mutated float64) Comparison {
	t.Helper()
	for _, c := range all {
		if c.Strategy == w.strategy && c.Variant == w.variant && c.Mutated == mutated {
			return c
		}
	}
	t.Fatalf("no %v", w)
	return Comparison{}
}

type writer struct {
	strategy stablewrite.Strategy
	variant  record.Variant
}

var (
	rawBy    = writer{stablewrite.Raw, ""}
	againBy  = writer{stablewrite.Raw, record.Again}
	verifyBy = writer{stablewrite.Verify, ""}
	bounceBy = writer{stablewrite.Bounce, ""}
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got != want && !(math.Abs(got-want) <= 1e-5*math.Abs(want)) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestRoundsAreComparedWithTheirOwnRaw(t *testing.T) {
	got := Compare(append(row(rawBy, 0, 1, 0), row(verifyBy, 0, 0.9, 0)...))
	if len(got) != 2 || got[0].Strategy != stablewrite.Raw || got[1].Strategy != stablewrite.Verify {
		t.Fatalf("%+v", got)
	}
	c := got[1]
	near(t, "ratio", c.Ratio, 0.9)
	near(t, "lo", c.Lo, 0.9)
	near(t, "hi", c.Hi, 0.9)
	near(t, "CPU", c.CPU, 1)
	near(t, "throughput", c.Throughput, 4.5e6)
	if c.N != 9 || c.Noise || c.AgainLo != 0 || c.AgainHi != 0 {
		t.Errorf("%+v", c)
	}
}

func TestChangedWritesAreComparedWithRawThatChangesAsOften(t *testing.T) {
	recs := append(row(rawBy, 0, 1, 0), row(rawBy, 0.5, 0.5, 0)...) // to submit in two steps is slow
	recs = append(recs, row(verifyBy, 0.5, 0.4, 0)...)
	near(t, "ratio", compared(t, Compare(recs), verifyBy, 0.5).Ratio, 0.8)
	recs = row(rawBy, 0, 1, 0)
	recs = append(recs, row(verifyBy, 0.5, 0.4, 0)...)
	if c := compared(t, Compare(recs), verifyBy, 0.5); c.Ratio != 0 {
		t.Errorf("with no raw of the kind the ratio is %v", c.Ratio)
	}
}

func TestADifferenceWithinTheNoiseIsMarked(t *testing.T) {
	recs := append(row(rawBy, 0, 1, 0), row(againBy, 0, 1, 0.1)...)
	recs = append(recs, row(verifyBy, 0, 0.95, 0.01)...)
	recs = append(recs, row(bounceBy, 0, 0.8, 0.01)...)
	all := Compare(recs)
	for w, want := range map[writer]bool{rawBy: false, againBy: false, verifyBy: true, bounceBy: false} {
		c := compared(t, all, w, 0)
		if c.Noise != want {
			t.Errorf("%v: noise %v", w, c.Noise)
		}
		if !(c.AgainLo < 0.95 && c.AgainHi > 1.05) {
			t.Errorf("%v: A/A is %v to %v", w, c.AgainLo, c.AgainHi)
		}
	}
	// With too few rounds for an interval no difference is certain.
	var few []record.Cost
	for _, r := range recs {
		if r.Round <= 3 {
			few = append(few, r)
		}
	}
	if c := compared(t, Compare(few), bounceBy, 0); !c.Noise || !math.IsInf(c.Hi, 1) {
		t.Errorf("of 3 rounds: %v to %v, noise %v", c.Lo, c.Hi, c.Noise)
	}
}

func TestNoQuantileIsTheSlowestOfAFewWrites(t *testing.T) {
	for _, tc := range []struct {
		writes    int64
		p99, p999 float64
	}{{99, 0, 0}, {100, 99, 0}, {999, 99, 0}, {1000, 99, 999}} {
		recs := row(rawBy, 0, 1, 0)
		for i := range recs {
			recs[i].Writes, recs[i].Bytes, recs[i].P99NS, recs[i].P999NS = 5000, 5000*4096, 99, 999
		}
		recs[3].Writes, recs[3].Bytes = tc.writes, tc.writes*4096
		c := Compare(recs)[0]
		near(t, "p99", c.P99, tc.p99)
		near(t, "p99.9", c.P999, tc.p999)
	}
}

// at returns rounds of verify and bounce at one share, with speeds relative to raw.
func at(share, verifies, bounces float64) []record.Cost {
	return append(row(verifyBy, share, verifies, 0), row(bounceBy, share, bounces, 0)...)
}

func TestCrossovers(t *testing.T) {
	inf := math.Inf(1)
	for name, tc := range map[string]struct {
		recs              [][]record.Cost
		modeled, measured float64
	}{
		"on the line":     {[][]record.Cost{at(0, 1, 0.8), at(0.5, 0.8/1.4, 0.8), at(1, 0.4, 0.8)}, 1. / 6, 1. / 6},
		"above it":        {[][]record.Cost{at(0, 1, 0.8), at(0.1, 0.8, 0.8), at(0.5, 0.4, 0.8), at(1, 0.4, 0.8)}, 1. / 6, 0.1},
		"bounce at once":  {[][]record.Cost{at(0, 0.7, 0.8), at(1, 0.4, 0.8)}, 0, 0},
		"verify for good": {[][]record.Cost{at(0, 1, 0.2), at(1, 0.4, 0.2)}, inf, inf},
	} {
		var recs []record.Cost
		for _, r := range tc.recs {
			recs = append(recs, r...)
		}
		found := crossoversOf(recs)
		if len(found) != 1 || len(found[0].Points) != len(tc.recs) {
			t.Fatalf("%s: %+v", name, found)
		}
		x := found[0]
		near(t, name+": modeled", x.Modeled, tc.modeled)
		near(t, name+": lo", x.Lo, tc.modeled)
		near(t, name+": hi", x.Hi, tc.modeled)
		near(t, name+": measured", x.Measured, tc.measured)
		for _, p := range x.Points {
			if p.N != 9 {
				t.Errorf("%s: n = %d", name, p.N)
			}
		}
	}
	if found := crossoversOf(append(at(0, 1, 0.8), at(0.5, 0.4, 0.8)...)); len(found) != 0 {
		t.Errorf("with no share of 1: %+v", found)
	}
	if found := crossoversOf(row(verifyBy, 1, 0.8, 0)); len(found) != 0 {
		t.Errorf("with nothing to compare with: %+v", found)
	}
	// The line begins at no changes in two steps, if that was timed.
	two := at(0, 0.9, 0.9)
	for i := range two {
		two[i].TwoSteps = true
	}
	x := crossoversOf(slices.Concat(at(0, 1, 0.8), two, at(1, 0.4, 0.8)))[0]
	near(t, "cost at no share, in two steps", x.Points[0].Cost, 1)
	// Two rounds give no interval: the crossover may be anywhere.
	var few []record.Cost
	for _, r := range append(at(0, 1, 0.8), at(1, 0.4, 0.8)...) {
		if r.Round <= 2 {
			few = append(few, r)
		}
	}
	if x := crossoversOf(few)[0]; x.Lo != 0 || !math.IsInf(x.Hi, 1) || math.IsNaN(x.Modeled) {
		t.Errorf("%+v", x)
	}
}
