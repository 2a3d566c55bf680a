package report

import (
	"fmt"
	"math"
	"slices"
	"time"

	"stablepages/bench/cost"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// figure is a drawing and the data behind it.
type figure struct {
	Drawing drawing
	Data    grid
}

// peers heads the rows of other programs.
const peers = "other programs"

// glance draws the throughput of strategies against raw, of all sizes and depths.
// Those through the page cache are left to the data: they are not on its scale.
func (s costSet) glance(wide px) figure {
	chart := dotChart{
		title: "Throughput by raw's, by size x depth", ref: 1, height: 14,
		about: "Throughput against raw in the same round, by size x depth: median and 95% interval. Shaded: raw against raw.",
	}
	names := slices.DeleteFunc(s.strategies(), func(name string) bool { return name == stablewrite.Buffered.String() })
	for i, name := range names {
		chart.legend = append(chart.legend, label{Text: shape(i).glyph() + " " + name, Class: class(i)})
	}
	var values []float64
	for _, k := range s.kinds {
		lo, hi, _ := k.again()
		for i, name := range names {
			row := dotRow{class: class(i), band: [2]float64{lo, hi}, apart: i == 0}
			if i == (len(names)-1)/2 {
				row.label = fmt.Sprintf("%s x %d", sizeText(k.Size), k.Depth)
			}
			if c := k.of(name); c != nil && c.Ratio > 0 {
				row.dots = []dot{{at: c.Ratio, shape: shape(i), hollow: c.Noise}}
				if values = append(values, c.Ratio); bounded(*c) {
					row.lo, row.hi = c.Lo, c.Hi
					values = append(values, c.Lo, c.Hi)
				}
			}
			chart.rows = append(chart.rows, row)
		}
		values = append(values, lo, hi)
	}
	chart.axis = ratioAxis(values)
	return figure{chart.draw(wide), s.grid()}
}

// grid is s.sheet for HTML.
func (s costSet) grid() grid {
	data := grid{Caption: s.caption()}
	for i, line := range s.sheet().rows {
		if i == 0 {
			data.Head = append([]string{""}, line[2:]...)
		} else {
			data.add(cellName(s.kinds[i-1].Cell), line[2:]...)
		}
	}
	return data
}

// directAxis is one for the ratios of direct writes: those through the page cache may
// be many times as fast, and would leave no room for what others differ by.
func (s costSet) directAxis() axis {
	var values []float64
	for _, k := range s.kinds {
		for _, c := range k.rows {
			if c.Strategy.Direct() {
				values = append(values, c.Ratio, c.Lo, c.Hi)
			}
		}
	}
	return ratioAxis(values)
}

// ratioFigures draw throughput against raw, one figure for each size and depth, all
// with one axis.
func (s costSet) ratioFigures() (all []figure) {
	axis := s.directAxis()
	for _, k := range s.kinds {
		chart := dotChart{
			title: cellName(k.Cell), axis: axis, ref: 1, notes: "CPU s/GiB",
			about: "Throughput against raw in the same round: median and 95% interval. At the right CPU seconds per GiB. Hollow: within the noise.",
		}
		lo, hi, _ := k.again()
		for i, c := range k.rows {
			row := dotRow{label: c.Writer(), note: fmt.Sprintf("%.2f", c.CPU), band: [2]float64{lo, hi}, apart: i > 0 && peerLast(c) > peerLast(k.rows[i-1])}
			if c.Ratio > 0 {
				row.dots = []dot{{at: c.Ratio, hollow: c.Noise}}
				if axis.beyond(c.Ratio) != 0 {
					row.label += ", " + shortRatio(c.Ratio)
				}
			}
			if bounded(c) {
				row.lo, row.hi = c.Lo, c.Hi
			}
			chart.rows = append(chart.rows, row)
		}
		all = append(all, figure{chart.draw(drawingWidth), k.grid(s)})
	}
	return all
}

// shortRatio has no more digits than there is room for beside a name.
func shortRatio(v float64) string {
	switch {
	case v >= 10:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	}
	return ratioText(v)
}

// grid is all that was timed of k but latencies.
func (k costKind) grid(s costSet) grid {
	data := grid{Caption: cellName(k.Cell), Head: []string{"", "MB/s", "against raw", "95% interval", "user s/GiB", "system s/GiB", "amplification", "pool KiB", "extents", "written", "rounds"}}
	null := s.target == record.OnNull
	if s.simulated() {
		data.Head = append(data.Head, "ns/write")
	}
	if null {
		data.Head = append(data.Head, "added to raw's")
	}
	checked := slices.ContainsFunc(k.rows, func(c cost.Comparison) bool { return c.Checked > 0 })
	if checked {
		data.Head = append(data.Head, "torn of read back")
	}
	for i, c := range k.rows {
		if i > 0 && peerLast(c) > peerLast(k.rows[i-1]) {
			data.Bodies = append(data.Bodies, gridBody{Name: peers})
		}
		line := []string{
			fmt.Sprintf("%.0f", c.Throughput/1e6), ratioOf(c), intervalOf(c), fmt.Sprintf("%.3f", c.CPUUser), fmt.Sprintf("%.3f", c.CPUSystem),
			fmt.Sprintf("%.2f", c.Amplification), fmt.Sprint((c.PoolPeak + 1023) >> 10), orDash(c.Extents), c.Written.String(), fmt.Sprint(c.N),
		}
		if s.simulated() {
			line = append(line, fmt.Sprintf("%.0f", perWrite(c)))
		}
		if null {
			line = append(line, addedText(c, k.raw()))
		}
		row := data.add(c.Writer(), line...)
		if checked {
			row.Cells = append(row.Cells, readBack(c))
		}
	}
	return data
}

// orDash is a dash for what is not known.
func orDash(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// readBack says what was found on the media.
func readBack(c cost.Comparison) gridCell {
	switch {
	case c.Checked == 0:
		return gridCell{Text: "-"}
	case c.Torn > 0:
		return gridCell{Text: fmt.Sprintf("!%d/%d", c.Torn, c.Checked), State: "broken"}
	}
	return gridCell{Text: fmt.Sprintf("0/%d", c.Checked), State: "kept"}
}

// latencyFigures draw quantiles of the latency of a write, each with an axis of its
// own.
func (s costSet) latencyFigures() (all []figure) {
	for _, k := range s.kinds {
		var values []float64
		for _, c := range k.rows {
			values = append(values, c.P50, c.P99, c.P999)
		}
		name := cellName(k.Cell)
		chart := dotChart{title: name, axis: timeAxis(values), ref: math.NaN(), about: "Latency of a write: p50, p99 and p99.9."}
		data := grid{Caption: cellName(k.Cell), Head: []string{"", "p50", "p99", "p99.9", "rounds"}}
		for _, c := range k.rows {
			if c.P50 == 0 {
				continue
			}
			apart := c.Variant.Peer() && len(data.Bodies) == 1
			if apart {
				data.Bodies = append(data.Bodies, gridBody{Name: peers})
			}
			row, line := dotRow{label: c.Writer(), lo: c.P50, apart: apart}, []string{}
			for i, ns := range []float64{c.P50, c.P99, c.P999} {
				if ns == 0 { // too few writes
					line = append(line, "-")
					continue
				}
				line, row.hi = append(line, nanoseconds(ns)), ns
				row.dots = slices.Insert(row.dots, 0, dot{at: ns, shape: []shape{circle, square, triangle}[i]})
			}
			chart.rows = append(chart.rows, row)
			data.add(c.Writer(), append(line, fmt.Sprint(c.N))...)
		}
		if len(chart.rows) > 0 {
			all = append(all, figure{chart.draw(drawingWidth), data})
		}
	}
	return all
}

// holdFigure draws the share of torn writes by hold. Holds are steps, not to scale.
func holdFigure(curves []holdCurve, wide px) figure {
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
			step, _ := slices.BinarySearch(holds, p.hold)
			s.points = append(s.points, point{float64(step), p.torn.value(), lo, hi})
			data.add(c.name(), p.hold.String(), fmt.Sprint(p.torn.k), fmt.Sprint(p.torn.n), p.torn.percent(), p.torn.bounds())
		}
		chart.series = append(chart.series, s)
	}
	return figure{chart.draw(wide), data}
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
	return figure{chart.draw(drawingWidth), data}
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
				row.dots = append(row.dots, dot{at: s.value(), shape: []shape{circle, square}[i], down: 9*px(i) - 4.5}) // both may be 100%
			}
		}
		chart.rows = append(chart.rows, row)
		data.add(precisionOf(r), fmt.Sprint(r.Blocks), fmt.Sprint(r.Torn), fmt.Sprint(r.Resubmitted), fmt.Sprint(r.Both), orNone(precision(r)), orNone(recall(r)))
	}
	return figure{chart.draw(drawingWidth), data}
}
