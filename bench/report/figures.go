package report

import (
	"fmt"
	"math"
	"slices"
	"time"

	"stablepages/bench/cost"
	"stablepages/bench/record"
)

// figure is a drawing and the data behind it.
type figure struct {
	Drawing drawing
	Data    grid
}

// cells parts rows into those of equal size and depth.
func cells(rows []costRow) (all [][]costRow) {
	for i, c := range rows {
		if i == 0 || c.Size != rows[i-1].Size || c.Depth != rows[i-1].Depth {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], c)
	}
	return all
}

func cellName(c cost.Cell) string {
	return fmt.Sprintf("%s, depth %d", sizeText(c.Size), c.Depth)
}

// ratioFigures draw throughput against raw, one figure for each size and depth, all
// with one axis.
func (t costTable) ratioFigures() (all []figure) {
	var values []float64
	for _, c := range t.rows {
		values = append(values, c.Ratio, c.Lo, c.Hi)
	}
	axis := ratioAxis(values)
	for _, rows := range cells(t.rows) {
		name := cellName(rows[0].Cell)
		chart := dotChart{
			title: name, axis: axis, ref: 1, notes: "CPU s/GiB",
			about: "Throughput against raw in the same round: median and 95% interval. At the right CPU seconds per GiB. Hollow: within the noise.",
		}
		data := grid{Caption: name, Head: []string{"", "MB/s", "against raw", "95% interval", "user s/GiB", "system s/GiB", "amplification", "rounds"}}
		if t.simulated() {
			data.Head = append(data.Head, "ns/write")
		}
		for _, c := range rows {
			if c.again != nil {
				chart.band = [2]float64{c.again.Lo, c.again.Hi}
			}
			row := dotRow{label: c.Writer(), note: fmt.Sprintf("%.2f", c.CPU)}
			if c.Ratio > 0 {
				row.dots = []dot{{at: c.Ratio, hollow: c.noise()}}
			}
			if c.bounded() {
				row.lo, row.hi = c.Lo, c.Hi
			}
			chart.rows = append(chart.rows, row)
			line := []string{
				fmt.Sprintf("%.0f", c.Throughput/1e6), c.ratio(), c.interval(), fmt.Sprintf("%.3f", c.CPUUser), fmt.Sprintf("%.3f", c.CPUSystem),
				fmt.Sprintf("%.2f", c.Amplification), fmt.Sprint(c.N),
			}
			if t.simulated() {
				line = append(line, fmt.Sprintf("%.0f", c.elapsed()))
			}
			data.add(c.Writer(), line...)
		}
		all = append(all, figure{chart.draw(), data})
	}
	return all
}

// latencyFigures draw quantiles of the latency of a write, each with an axis of its
// own.
func (t costTable) latencyFigures() (all []figure) {
	for _, rows := range cells(t.rows) {
		var values []float64
		for _, c := range rows {
			values = append(values, c.P50, c.P999)
		}
		name := cellName(rows[0].Cell)
		chart := dotChart{title: name, axis: timeAxis(values), ref: math.NaN(), about: "Latency of a write: p50, p99 and p99.9."}
		data := grid{Caption: name, Head: []string{"", "p50", "p99", "p99.9", "rounds"}}
		for _, c := range rows {
			if c.P50 == 0 {
				continue
			}
			chart.rows = append(chart.rows, dotRow{label: c.Writer(), lo: c.P50, hi: c.P999, dots: []dot{
				{at: c.P999, shape: triangle}, {at: c.P99, shape: square}, {at: c.P50, shape: circle},
			}})
			data.add(c.Writer(), nanoseconds(c.P50), nanoseconds(c.P99), nanoseconds(c.P999), fmt.Sprint(c.N))
		}
		if len(chart.rows) > 0 {
			all = append(all, figure{chart.draw(), data})
		}
	}
	return all
}

// figure draws ratios over the share of writes that are changed. Its axis is that
// of square roots, on which small shares are apart.
func (x crossover) figure() figure {
	name := cellName(cost.Cell{Size: x.size, Depth: x.depth})
	chart := lineChart{title: name, about: "Throughput against raw with nothing changing, by the share of writes changed in flight.", ref: 1}
	chart.x = axis{min: math.Sqrt(x.shares[0]), max: math.Sqrt(x.shares[len(x.shares)-1])}
	for i := range x.shares { // the ends first: between them there may be no room
		s := x.shares[(i+len(x.shares)-1)%len(x.shares)]
		chart.x.ticks = append(chart.x.ticks, tick{math.Sqrt(s), percent(s)})
	}
	var values []float64
	data := grid{Caption: name, Head: []string{"changed", "strategy", "against raw", "95% interval", "amplification", "rounds"}}
	for _, l := range x.lines {
		s := series{name: l.strategy.String()}
		for i, share := range x.shares {
			c := l.at(i)
			if c == nil {
				continue
			}
			p := point{x: math.Sqrt(share), y: c.Ratio}
			values = append(values, c.Ratio)
			if c.bounded() {
				p.lo, p.hi = c.Lo, c.Hi
				values = append(values, c.Lo, c.Hi)
			}
			s.points = append(s.points, p)
			data.add(percent(share), c.Writer(), c.ratio(), c.interval(), fmt.Sprintf("%.2f", c.Amplification), fmt.Sprint(c.N))
		}
		chart.series = append(chart.series, s)
	}
	chart.y = ratioAxis(values)
	return figure{chart.draw(), data}
}

// holdFigure draws the share of torn writes by hold. Holds are steps, not to scale.
func holdFigure(curves []holdCurve) figure {
	var holds []time.Duration
	for _, c := range curves {
		for _, p := range c.points {
			holds = append(holds, p.hold)
		}
	}
	slices.Sort(holds)
	holds = slices.Compact(holds)
	const name = "verify against aba"
	chart := lineChart{title: name, about: "Share of changed writes that were torn, by how long the change was held.", y: shareAxis(), ref: math.NaN()}
	chart.x = axis{min: 0, max: math.Max(1, float64(len(holds)-1))}
	for i, h := range holds {
		chart.x.ticks = append(chart.x.ticks, tick{float64(i), nanoseconds(float64(h))})
	}
	data := grid{Caption: name, Head: []string{"size", "hold", "torn", "of", "share", "95% interval"}}
	for _, c := range curves {
		s := series{name: c.name()}
		for _, p := range c.points {
			lo, hi := p.torn.interval()
			s.points = append(s.points, point{float64(slices.Index(holds, p.hold)), p.torn.value(), lo, hi})
			data.add(c.name(), p.hold.String(), fmt.Sprint(p.torn.k), fmt.Sprint(p.torn.n), p.torn.percent(), p.torn.bounds())
		}
		chart.series = append(chart.series, s)
	}
	return figure{chart.draw(), data}
}

// detectionFigure draws what CRC-32C alone misses.
func detectionFigure(found []detection) figure {
	const name = "against pages that end in their own CRC-32C"
	chart := dotChart{title: name, about: "Share of changed writes that were torn, with the 95% interval.", axis: shareAxis(), ref: math.NaN(), above: true}
	data := grid{Caption: name, Head: []string{"", "torn", "of", "share", "95% interval"}}
	for _, d := range found {
		lo, hi := d.torn.interval()
		chart.rows = append(chart.rows, dotRow{label: d.writer + free(d.gate), lo: lo, hi: hi, dots: []dot{{at: d.torn.value()}}})
		data.add(d.writer+free(d.gate), fmt.Sprint(d.torn.k), fmt.Sprint(d.torn.n), d.torn.percent(), d.torn.bounds())
	}
	return figure{chart.draw(), data}
}

// precisionFigure draws precision and recall of detection.
func precisionFigure(recs []record.Precision) figure {
	const name = "precision and recall"
	chart := dotChart{title: name, about: "Circle: of the blocks resubmitted, those that were torn. Square: of the blocks torn, those that were resubmitted.", axis: shareAxis(), ref: math.NaN(), above: true}
	data := grid{Caption: name, Head: []string{"", "blocks", "torn", "resubmitted", "both", "precision", "recall"}}
	for _, r := range recs {
		row := dotRow{label: precisionOf(r)}
		for i, s := range []share{precision(r), recall(r)} {
			if s.n > 0 {
				row.dots = append(row.dots, dot{at: s.value(), shape: []shape{circle, square}[i]})
			}
		}
		chart.rows = append(chart.rows, row)
		data.add(precisionOf(r), fmt.Sprint(r.Blocks), fmt.Sprint(r.Torn), fmt.Sprint(r.Resubmitted), fmt.Sprint(r.Both), orNone(precision(r)), orNone(recall(r)))
	}
	return figure{chart.draw(), data}
}
