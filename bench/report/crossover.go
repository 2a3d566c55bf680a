package report

import (
	"fmt"
	"math"
	"slices"

	"stablepages/bench/cost"
	"stablepages/stablewrite"
)

// crossoverFigure draws the time of verify by that of bounce over the share of
// writes that are changed: what was measured, and the line of the model. Its axis is
// that of square roots, on which small shares are apart.
func crossoverFigure(x cost.Crossover) figure {
	name := cellName(x.Of)
	chart := lineChart{title: name + ": " + crossingText(x), about: "Time of verify by that of bounce, by the share of writes changed in flight. Above 1 bounce costs less.", ref: 1}
	chart.x = axis{min: 0, max: 1}
	n := len(x.Points)
	var values []float64
	measured := series{bare: true}
	data := grid{Caption: name, Head: []string{"changed", "verify/bounce", "95% interval", "by the line", "rounds"}}
	for i, p := range x.Points {
		end := x.Points[(i+n-1)%n].Share // the ends first: between them there may be no room
		chart.x.ticks = append(chart.x.ticks, tick{math.Sqrt(end), percent(end)})
		at := point{x: math.Sqrt(p.Share), y: p.Cost}
		if values = append(values, p.Cost); !math.IsInf(p.Lo, 0) && !math.IsInf(p.Hi, 0) {
			at.lo, at.hi = p.Lo, p.Hi
			values = append(values, p.Lo, p.Hi)
		}
		measured.points = append(measured.points, at)
		data.add(percent(p.Share), ratioText(p.Cost), intervalText(p.Lo, p.Hi), ratioText(p.Model), fmt.Sprint(p.N))
	}
	chart.y = ratioAxis(values)
	const steps = 32
	for i := range steps + 1 {
		root := float64(i) / steps
		chart.model = append(chart.model, point{x: root, y: x.Points[0].Cost + root*root*(x.Points[n-1].Cost-x.Points[0].Cost)})
	}
	chart.series = []series{measured}
	if x.Modeled > 0 && x.Modeled <= 1 {
		chart.at = math.Sqrt(x.Modeled)
		chart.band = [2]float64{math.Sqrt(x.Lo), math.Sqrt(math.Min(1, x.Hi))}
	}
	return figure{chart.draw(drawingWidth), data}
}

// steps says how writes go that do not change, those that the lines begin at. Where
// there is no disk there is one way only.
func (p costPlace) steps() string {
	if p.sets[0].simulated() {
		return ""
	}
	two := map[cost.Cell]bool{}
	for _, s := range p.sets {
		for _, k := range s.kinds {
			if s.twoSteps && k.of(stablewrite.Verify.String()) != nil {
				kind := k.Cell
				kind.TwoSteps = false
				two[kind] = true
			}
		}
	}
	all := !slices.ContainsFunc(p.crossovers, func(x cost.Crossover) bool {
		kind := x.Of.Base()
		kind.Mutated, kind.TwoSteps, kind.ChangedBlocks = 0, false, 0
		return !two[kind]
	})
	switch {
	case all:
		return "At 0% writes are submitted and reaped apart, in two steps, as at every other share."
	case len(two) > 0:
		return "Writes that change are submitted and reaped apart, in two steps. At 0% those are, too, of some sizes and depths only: of the others the line has that difference in it."
	}
	return "Writes that change are submitted and reaped apart, in two steps, and at 0% in one: the line has that difference in it."
}

// crossingText says from which share on bounce is cheaper.
func crossingText(x cost.Crossover) string {
	switch {
	case x.Modeled == 0 && x.Hi == 0:
		return "at any share"
	case math.IsInf(x.Modeled, 1) && math.IsInf(x.Lo, 1):
		return "at no share"
	case math.IsInf(x.Modeled, 1):
		return fmt.Sprintf("perhaps at no share (95%%: from %s on)", crossing(x.Lo))
	case x.Lo == x.Hi:
		return "from " + crossing(x.Modeled)
	}
	return fmt.Sprintf("from %s (95%%: %s to %s)", crossing(x.Modeled), crossing(x.Lo), crossing(x.Hi))
}
