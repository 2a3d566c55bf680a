package findings

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"stablepages/bench/chart"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// holdCurve is the share of writes torn under verify where changes are restored, by
// the time that the change is held.
type holdCurve struct {
	way    holdWay
	points []holdPoint // by hold
}

// holdWay is what the races of a curve have in common.
type holdWay struct {
	free   bool
	size   int
	detect stablewrite.Detection
}

type holdPoint struct {
	hold time.Duration
	torn share
}

// holdCurves are the curves of races with more than one hold, or size.
func holdCurves(recs []record.Repro) (all []holdCurve) {
	restored := slices.DeleteFunc(slices.Clone(recs), func(r record.Repro) bool {
		return r.Strategy != stablewrite.Verify || r.Detect == stablewrite.BySum || !r.Mutator.Restores() || untracked(r)
	})
	way := func(r record.Repro) holdWay { return holdWay{!r.Gate, r.Size, r.Detect} }
	for _, races := range parted(restored, way) {
		curve := holdCurve{way: way(races[0])}
		for _, same := range parted(races, func(r record.Repro) int64 { return r.HoldNS }) {
			var sum tally
			for _, r := range same {
				sum.add(r)
			}
			if sum.n > 0 {
				curve.points = append(curve.points, holdPoint{time.Duration(same[0].HoldNS), sum.share})
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

// holesSection shows what verify does not see, and how precise its detection is.
func holesSection(on System) Section {
	s := Section{Title: "What verify does not see"}
	if curves := holdCurves(on.Races); len(curves) > 0 {
		t := Table{Title: "Torn under verify where a block is changed and restored (A-B-A), by size and hold", Head: []string{"", "torn", "share", "95% interval"}}
		for _, c := range curves {
			for _, p := range c.points {
				t.add(fmt.Sprintf("%v, %v", c.way, p.hold), fmt.Sprintf("%d/%d", p.torn.k, p.torn.n), p.torn.percent(), p.torn.bounds())
			}
		}
		s.Tables = append(s.Tables, t)
		s.Figures = append(s.Figures, holdFigure(curves))
	}
	t := Table{
		Title: "Blocks of writes changed in flight: torn after the first submission, resubmitted, both",
		Head:  []string{"", "blocks", "torn", "resubmitted", "both", "precision", "recall"},
	}
	for _, r := range on.Precisions {
		name := fmt.Sprintf("%s against %v, %s", record.Repro{Strategy: r.Strategy, Detect: r.Detect}.Writer(), r.Mutator, Size(r.Size))
		if r.Mutator.Restores() {
			name += ", held " + time.Duration(r.HoldNS).String()
		}
		t.add(name, fmt.Sprint(r.Blocks), fmt.Sprint(r.Torn), fmt.Sprint(r.Resubmitted), fmt.Sprint(r.Both),
			share{r.Both, r.Resubmitted}.percent(), share{r.Both, r.Torn}.percent())
	}
	if t.Rows != nil {
		s.Tables = append(s.Tables, t)
		s.Notes = append(s.Notes, "Precision: the share of resubmitted blocks that were torn. Recall: the share of torn blocks that were resubmitted. Here a block is torn if any byte differs; in the other tables a write is torn if its CRC-32C differs.")
	}
	return s
}

// holdFigure draws the share of torn writes by hold, in equal steps from hold to hold.
func holdFigure(curves []holdCurve) Figure {
	var holds []time.Duration
	for _, c := range curves {
		for _, p := range c.points {
			holds = append(holds, p.hold)
		}
	}
	slices.Sort(holds)
	holds = slices.Compact(holds)
	lines := chart.Lines{X: chart.Axis{Max: max(1, float64(len(holds)-1))}, Y: chart.Shares()}
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
	return Figure{Title: "Torn writes under verify, by the time until a change is restored", Where: "by the size of the writes", Note: note, Chart: lines}
}
