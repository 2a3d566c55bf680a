package cost

import (
	"math"
	"slices"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Crossover is where bouncing every write becomes cheaper than verifying, for
// writes of one kind, as their share grows that changes.
//
// The cost of verify is its time by that of bounce in the same round: where it is
// above 1 bounce is cheaper. What it costs to make a change, and to submit in two
// steps, which lets it be made, is in both, and the steps are two where nothing
// changes, too, if that was timed. The model is that a write costs what it costs
// changed or unchanged, so that the cost at a share lies on the line between that at
// none and that at all.
type Crossover struct {
	Of     Cell             // the kind; Strategy, Variant, Mutated and TwoSteps mean nothing
	Points []CrossoverPoint // by share, from 0 to 1
	// Modeled is the share at which the model's line reaches 1, and between Lo and Hi
	// lines from the ends of the 95% intervals do. Measured is that at which lines
	// through the points do. Each is 0 if bounce is cheaper from the start, and +Inf
	// if it is not at any share.
	Modeled, Lo, Hi float64
	Measured        float64
}

// CrossoverPoint is the cost of verify at a share of changed writes.
type CrossoverPoint struct {
	Share        float64
	N            int     // rounds
	Cost, Lo, Hi float64 // measured, and its 95% interval, which takes 6 rounds
	Model        float64
}

// Crossovers finds the crossover of each kind of write of which verify and bounce
// were timed with none changing and with all, at least, in the order of Compare.
func Crossovers(recs []record.Cost) (found []Crossover) {
	cells, order := byCell(recs)
	shares := map[Cell][]float64{} // by kind
	var kinds []Cell
	for _, c := range order {
		if c.Mutated > 0 && c.Strategy == stablewrite.Verify && c.Variant == "" {
			k := c
			k.Mutated = 0
			if shares[k] == nil {
				shares[k] = []float64{0}
				kinds = append(kinds, k)
			}
			shares[k] = append(shares[k], c.Mutated)
		}
	}
	slices.SortStableFunc(kinds, byKind)
	for _, k := range kinds {
		x := Crossover{Of: k}
		slices.Sort(shares[k])
		for _, share := range shares[k] {
			if p, ok := crossoverPoint(cells, k, share); ok {
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

func crossoverPoint(cells map[Cell]map[int]record.Cost, verify Cell, share float64) (p CrossoverPoint, ok bool) {
	verify.Mutated = share
	if share == 0 {
		verify.ChangedBlocks = 0
		verify.TwoSteps = true
		if cells[verify] == nil { // as on a device that has but one way
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
	return CrossoverPoint{Share: share, N: len(costs), Cost: s.Center, Lo: s.Lo, Hi: s.Hi}, true
}

func (x *Crossover) model() {
	first, last := x.Points[0], x.Points[len(x.Points)-1]
	var all []float64
	for i := range x.Points {
		p := &x.Points[i]
		p.Model = first.Cost + p.Share*(last.Cost-first.Cost)
		all = append(all, p.Cost)
	}
	ends := []CrossoverPoint{first, last}
	x.Measured = reach(x.Points, all...)
	x.Modeled = reach(ends, first.Cost, last.Cost)
	x.Lo, x.Hi = 0, math.Inf(1)
	if !math.IsInf(first.Hi, 0) && !math.IsInf(last.Hi, 0) {
		x.Lo, x.Hi = reach(ends, first.Hi, last.Hi), reach(ends, first.Lo, last.Lo)
	}
}

// reach is the first share at which lines through the costs at the points are
// above 1.
func reach(points []CrossoverPoint, costs ...float64) float64 {
	if costs[0] > 1 {
		return 0
	}
	for i := 1; i < len(costs); i++ {
		if costs[i] > 1 {
			from, to := points[i-1].Share, points[i].Share
			return from + (to-from)*(1-costs[i-1])/(costs[i]-costs[i-1])
		}
	}
	return math.Inf(1)
}
