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

// holdPoint is the share of writes torn under verify where changes are restored after
// a hold.
type holdPoint struct {
	curve string // "1M", "1M, free-running", "1M by tracking"
	free  bool
	hold  time.Duration
	torn  tally
}

// holdPointOf is the point that r counts for.
func holdPointOf(r record.Repro) holdPoint {
	p := holdPoint{curve: Size(r.Size), free: !r.Gate, hold: time.Duration(r.HoldNS)}
	if r.Detect != stablewrite.ByDigest {
		p.curve += " by " + r.Detect.String()
	}
	if p.free {
		p.curve += ", free-running"
	}
	return p
}

// holdPoints come from races with several holds or sizes, in the order of curves and
// holds.
func holdPoints(recs []record.Repro) (all []holdPoint) {
	recs = which(recs, func(r record.Repro) bool {
		return r.Strategy == stablewrite.Verify && r.Detect != stablewrite.BySum && r.Mutator.Restores() && !untracked(r)
	})
	slices.SortStableFunc(recs, func(a, b record.Repro) int {
		return cmp.Or(compareBool(b.Gate, a.Gate), a.Size-b.Size, cmp.Compare(a.Detect, b.Detect), cmp.Compare(a.HoldNS, b.HoldNS))
	})
	for _, same := range parted(recs, holdPointOf) {
		p := holdPointOf(same[0])
		for _, r := range same {
			p.torn.add(r, exposed(r))
		}
		if p.torn.n > 0 {
			all = append(all, p)
		}
	}
	if len(all) == 1 {
		return nil
	}
	return all
}

// holesSection shows what verify does not see, and how precise its detection is.
func holesSection(on System) Section {
	s := Section{Title: "What verify does not see"}
	if points := holdPoints(on.Races); points != nil {
		t := Table{Title: "Torn under verify where a block is changed and restored (A-B-A), by size and hold", Head: []string{"", "torn", "share", "95% interval"}}
		for _, p := range points {
			t.add(p.curve+", "+p.hold.String(), fmt.Sprintf("%d/%d", p.torn.k, p.torn.n), p.torn.percent(), p.torn.bounds())
		}
		s.Tables = append(s.Tables, t)
		s.Figures = append(s.Figures, holdFigure(points))
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
func holdFigure(points []holdPoint) Figure {
	holds := slices.Compact(slices.Sorted(slices.Values(each(points, func(p holdPoint) time.Duration { return p.hold }))))
	lines := chart.Lines{X: chart.Axis{Max: max(1, float64(len(holds)-1))}, Y: chart.Shares()}
	for i, h := range holds {
		lines.X.Ticks = append(lines.X.Ticks, chart.Tick{At: float64(i), Text: h.String()})
	}
	for _, curve := range parted(points, func(p holdPoint) string { return p.curve }) {
		s := chart.Series{Name: curve[0].curve}
		for _, p := range curve {
			lo, hi := p.torn.interval()
			step, _ := slices.BinarySearch(holds, p.hold)
			s.Points = append(s.Points, chart.Point{X: float64(step), Y: p.torn.value(), Lo: lo, Hi: hi})
		}
		lines.Series = append(lines.Series, s)
	}
	note := "95% intervals; steps of time are not to scale."
	if !points[len(points)-1].free { // free-running races come last
		note = "Every change was made in flight. " + note
	}
	return Figure{Title: "Torn writes under verify, by the time until a change is restored", Where: "by the size of the writes", Note: note, Chart: lines}
}
