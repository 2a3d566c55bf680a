package findings

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// crossover is the share of changed writes from which bounce is cheaper than verify,
// for writes of one kind.
//
// The cost of verify is its time divided by the time of bounce in the same round: above
// 1 bounce is cheaper. Both make the changes, and submit in two steps to make them in
// flight; so the point with nothing changing has two steps, too, if that was timed. The
// model says that a changed write costs the same at every share, and an unchanged write
// does: costs lie on the line between none changed and all.
type crossover struct {
	Of     record.CostKey // the kind; Strategy, Variant, Mutated and TwoSteps mean nothing
	Points []costAt       // by share, from 0 to 1
	// Modeled is the share at which the model's line reaches 1, and Lo and Hi are those
	// of lines between the ends of the 95% intervals. Measured is that of lines through
	// all points. Each is 0 if bounce is always cheaper, and +Inf if it never is.
	Modeled, Lo, Hi float64
	Measured        float64
}

// costAt is the cost of verify at a share of changed writes.
type costAt struct {
	Share        float64
	N            int     // rounds
	Cost, Lo, Hi float64 // measured, and its 95% interval, which takes 6 rounds
	Model        float64
}

// crossoversOf finds the crossover of each kind of write for which verify and bounce
// were timed at least with none changing and with all, in the order of Compare.
func crossoversOf(recs []record.Cost) (found []crossover) {
	cells, order := byCell(recs)
	changed := slices.DeleteFunc(order, func(k record.CostKey) bool {
		return k.Mutated == 0 || k.Strategy != stablewrite.Verify || k.Variant != ""
	})
	slices.SortStableFunc(changed, byKind) // and so by share
	none := func(k record.CostKey) record.CostKey {
		k.Mutated = 0
		return k
	}
	for _, kinds := range parted(changed, none) {
		x := crossover{Of: none(kinds[0])}
		for _, k := range slices.Insert(kinds, 0, x.Of) {
			if p, ok := measuredAt(cells, x.Of, k.Mutated); ok {
				x.Points = append(x.Points, p)
			}
		}
		if n := len(x.Points); n >= 2 && x.Points[0].Share == 0 && x.Points[n-1].Share == 1 {
			x.model()
			found = append(found, x)
		}
	}
	return found
}

func measuredAt(cells map[record.CostKey]map[int]record.Cost, verify record.CostKey, share float64) (p costAt, ok bool) {
	verify.Mutated = share
	if share == 0 {
		verify.ChangedBlocks, verify.TwoSteps = 0, true
		if cells[verify] == nil { // as on a device that has no second way
			verify.TwoSteps = false
		}
	}
	bounce := verify
	bounce.Strategy = stablewrite.Bounce
	costs := ratios(cells[bounce], cells[verify])
	if len(costs) == 0 {
		return p, false
	}
	s := summarize(costs)
	return costAt{Share: share, N: len(costs), Cost: s.Center, Lo: s.Lo, Hi: s.Hi}, true
}

func (x *crossover) model() {
	first, last := x.Points[0], x.Points[len(x.Points)-1]
	for i := range x.Points {
		p := &x.Points[i]
		p.Model = first.Cost + p.Share*(last.Cost-first.Cost)
	}
	x.Measured = reach(x.Points, func(p costAt) float64 { return p.Cost })
	x.Modeled = reach(x.Points, func(p costAt) float64 { return p.Model })
	x.Lo, x.Hi = 0, math.Inf(1)
	if ends := []costAt{first, last}; !math.IsInf(first.Hi, 0) && !math.IsInf(last.Hi, 0) {
		x.Lo = reach(ends, func(p costAt) float64 { return p.Hi })
		x.Hi = reach(ends, func(p costAt) float64 { return p.Lo })
	}
}

// reach is the first share at which lines through the costs at the points exceed 1.
func reach(points []costAt, cost func(costAt) float64) float64 {
	if cost(points[0]) > 1 {
		return 0
	}
	for i, to := range points[1:] {
		if from := points[i]; cost(to) > 1 {
			return from.Share + (to.Share-from.Share)*(1-cost(from))/(cost(to)-cost(from))
		}
	}
	return math.Inf(1)
}

// crossing is a share from which bounce is cheaper.
func crossing(share float64) string {
	if math.IsInf(share, 1) {
		return "never"
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}

// known is the modeled share, unless its interval rules out no share.
func (x crossover) known() string {
	if x.Lo == 0 && math.IsInf(x.Hi, 1) {
		return "not known"
	}
	return crossing(x.Modeled)
}

// cheaper is a column with the share from which bounce is cheaper.
func (p costPlace) cheaper() column {
	from := map[record.CostKey]string{}
	for _, x := range p.crossovers {
		from[unchanged(x.Of)] = x.known()
	}
	return column{"bounce cheaper", func(k Kind) string { return cmp.Or(from[k.CostKey], "-") }}
}

// crossoverTable has the crossovers of p, and the points that they rest on.
func (p costPlace) crossoverTable() Table {
	t := Table{
		Title: "Crossover, the share of changed writes from which bounce is cheaper than verify; and the time of verify relative to bounce in the same round, by share",
		Head:  []string{"", "crossover", "95%", "measured", "share", "verify/bounce", "95%", "line", "n"},
	}
	for _, x := range p.crossovers {
		name, head := kindName(x.Of), []string{x.known(), crossing(x.Lo) + " to " + crossing(x.Hi), "-"}
		if len(x.Points) > 2 { // else the line is all that there is
			head[2] = crossing(x.Measured)
		}
		for _, p := range x.Points {
			interval := "-"
			if !math.IsInf(p.Lo, 0) && !math.IsInf(p.Hi, 0) {
				interval = ratioText(p.Lo) + " to " + ratioText(p.Hi)
			}
			t.add(name, append(head, Percent(p.Share), ratioText(p.Cost), interval, ratioText(p.Model), fmt.Sprint(p.N))...)
			name, head = "", make([]string, 3)
		}
	}
	return t
}
