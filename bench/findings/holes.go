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

// holdWay has the fields that all races of one curve share.
type holdWay struct {
	free   bool
	size   int
	detect stablewrite.Detection
}

// holdPoint is the share of writes torn under verify where changes are restored after
// a hold.
type holdPoint struct {
	holdWay
	hold time.Duration
	torn tally
}

// holdPoints come from races with several holds or sizes, in the order of curves and
// holds.
func holdPoints(recs []record.Repro) (all []holdPoint) {
	at := map[holdPoint]int{}
	for _, r := range recs {
		if r.Strategy != stablewrite.Verify || r.Detect == stablewrite.BySum || !r.Mutator.Restores() || untracked(r) {
			continue
		}
		p := holdPoint{holdWay: holdWay{!r.Gate, r.Size, r.Detect}, hold: time.Duration(r.HoldNS)}
		i, ok := at[p]
		if !ok {
			i, at[p] = len(all), len(all)
			all = append(all, p)
		}
		all[i].torn.add(r)
	}
	all = slices.DeleteFunc(all, func(p holdPoint) bool { return p.torn.n == 0 })
	slices.SortFunc(all, func(a, b holdPoint) int {
		return cmp.Or(compareBool(a.free, b.free), a.size-b.size, cmp.Compare(a.detect, b.detect), cmp.Compare(a.hold, b.hold))
	})
	if len(all) == 1 {
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
	if points := holdPoints(on.Races); points != nil {
		t := Table{Title: "Torn under verify where a block is changed and restored (A-B-A), by size and hold", Head: []string{"", "torn", "share", "95% interval"}}
		for _, p := range points {
			t.add(fmt.Sprintf("%v, %v", p.holdWay, p.hold), fmt.Sprintf("%d/%d", p.torn.k, p.torn.n), p.torn.percent(), p.torn.bounds())
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
	var holds []time.Duration
	for _, p := range points {
		holds = append(holds, p.hold)
	}
	slices.Sort(holds)
	holds = slices.Compact(holds)
	lines := chart.Lines{X: chart.Axis{Max: max(1, float64(len(holds)-1))}, Y: chart.Shares()}
	for i, h := range holds {
		lines.X.Ticks = append(lines.X.Ticks, chart.Tick{At: float64(i), Text: h.String()})
	}
	for _, curve := range parted(points, func(p holdPoint) holdWay { return p.holdWay }) {
		s := chart.Series{Name: curve[0].holdWay.String()}
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
