package findings

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"stablepages/bench/chart"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// holdCurve is how many writes are torn under verify where changes are restored,
// by how long they stay.
type holdCurve struct {
	way    holdWay
	points []holdPoint // by hold
}

// holdWay names a curve: its races have these in common.
type holdWay struct {
	free   bool
	size   int
	detect stablewrite.Detection
}

type holdPoint struct {
	hold time.Duration
	torn share
}

// holdCurves finds races with more than one hold, or size.
func holdCurves(recs []record.Repro) (all []holdCurve) {
	restored := slices.DeleteFunc(slices.Clone(recs), func(r record.Repro) bool {
		return r.Strategy != stablewrite.Verify || r.Detect == stablewrite.BySum || !r.Mutator.Restores()
	})
	for _, of := range parted(restored, func(r record.Repro) holdWay { return holdWay{!r.Gate, r.Size, r.Detect} }) {
		curve := holdCurve{way: holdWay{!of[0].Gate, of[0].Size, of[0].Detect}}
		for _, same := range parted(of, func(r record.Repro) int64 { return r.HoldNS }) {
			var sum tally
			for _, r := range same {
				sum.add(r)
			}
			if torn, ok := sum.share(); ok {
				curve.points = append(curve.points, holdPoint{time.Duration(same[0].HoldNS), torn})
			}
		}
		slices.SortFunc(curve.points, func(a, b holdPoint) int { return cmp.Compare(a.hold, b.hold) })
		if curve.points != nil {
			all = append(all, curve)
		}
	}
	slices.SortFunc(all, func(a, b holdCurve) int {
		return cmp.Or(compareBool(a.way.free, b.way.free), a.way.size-b.way.size, cmp.Compare(a.way.detect, b.way.detect))
	})
	if len(all) == 1 && len(all[0].points) == 1 {
		return nil
	}
	return all
}

// String is "1M", "1M, free-running", "1M by tracking".
func (w holdWay) String() string {
	name := Size(w.size)
	if w.detect != stablewrite.ByDigest {
		name += " by " + w.detect.String()
	}
	if w.free {
		name += ", free-running"
	}
	return name
}

// holesSection shows what verify does not see.
func holesSection(on System) Section {
	s := Section{Title: "The holes"}
	if curves := holdCurves(on.Races); len(curves) > 0 {
		t := Table{Title: "Torn under verify where a block is changed and restored (A-B-A), by size and by how long it is held", Head: []string{"", "torn", "share", "95% interval"}}
		for _, c := range curves {
			for _, p := range c.points {
				t.add(fmt.Sprintf("%v, %v", c.way, p.hold), fmt.Sprintf("%d/%d", p.torn.k, p.torn.n), p.torn.String(), p.torn.bounds())
			}
		}
		s.Tables = append(s.Tables, t)
		s.Figures = append(s.Figures, holdFigure(curves))
	}
	if len(on.Precisions) == 0 {
		return s
	}
	t := Table{
		Title: "Blocks of writes changed in flight: torn after the first submission, resubmitted, both",
		Head:  []string{"", "blocks", "torn", "resubmitted", "both", "precision", "recall"},
	}
	for _, r := range on.Precisions {
		t.add(precisionName(r), fmt.Sprint(r.Blocks), fmt.Sprint(r.Torn), fmt.Sprint(r.Resubmitted), fmt.Sprint(r.Both),
			share{r.Both, r.Resubmitted}.String(), share{r.Both, r.Torn}.String())
	}
	s.Tables = append(s.Tables, t)
	s.Notes = append(s.Notes, "Precision: of the blocks resubmitted, those that were torn. Recall: of the blocks torn, those that were resubmitted. A block is torn here if a byte of it differs; elsewhere a write is if its CRC-32C does.")
	return s
}

// precisionName names the race of r.
func precisionName(r record.Precision) string {
	text := record.Repro{Strategy: r.Strategy, Detect: r.Detect}.Writer() + " against " + r.Mutator.String() + ", " + Size(r.Size)
	if r.Mutator.Restores() {
		text += ", held " + time.Duration(r.HoldNS).String()
	}
	return text
}

// holdFigure draws the share of torn writes by hold. Holds are steps, not to scale.
func holdFigure(curves []holdCurve) Figure {
	var holds []time.Duration
	for _, c := range curves {
		for _, p := range c.points {
			holds = append(holds, p.hold)
		}
	}
	slices.Sort(holds)
	holds = slices.Compact(holds)
	lines := chart.Lines{X: chart.Axis{Max: math.Max(1, float64(len(holds)-1))}, Y: chart.Shares()}
	for i, h := range holds {
		lines.X.Ticks = append(lines.X.Ticks, chart.Tick{At: float64(i), Text: h.String()})
	}
	gated := true
	for _, c := range curves {
		s := chart.Series{Name: c.way.String()}
		for _, p := range c.points {
			lo, hi := p.torn.interval()
			step, _ := slices.BinarySearch(holds, p.hold)
			s.Points = append(s.Points, chart.Point{X: float64(step), Y: p.torn.value(), Lo: lo, Hi: hi})
		}
		lines.Series, gated = append(lines.Series, s), gated && !c.way.free
	}
	note := "95% intervals; steps of time are not to scale."
	if gated {
		note = "Every change was made in flight. " + note
	}
	return Figure{
		Title: "Torn writes under verify, by how long a change stays before it is undone", Where: "by the size of the writes",
		Note: note, Chart: lines,
	}
}
