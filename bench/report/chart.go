package report

import "math"

// drawingWidth is that of a phone less its margins.
const drawingWidth px = 358

// dotRow is one line of a dot chart.
type dotRow struct {
	label  string
	note   string // at the right end
	dots   []dot
	lo, hi float64 // a line from one to the other, if hi > lo
}

type dot struct {
	at     float64
	shape  shape
	hollow bool
}

// dotChart draws rows one below the other. The band, if its end is after its
// start, is behind them; ref, if it is not NaN, is a line across.
type dotChart struct {
	title, about string
	axis         axis
	rows         []dotRow
	ref          float64
	band         [2]float64
	above        bool   // labels have lines of their own
	notes        string // what the notes are
}

func (c dotChart) draw() drawing {
	const foot px = 24
	top, left, right, height := px(6), px(20), drawingWidth-20, px(21)
	note := width(c.notes)
	for _, r := range c.rows {
		if !c.above {
			left = max(left, width(r.label)+10)
		}
		note = max(note, width(r.note))
	}
	left = min(left, 160)
	if note > 0 {
		right = drawingWidth - note - 12
	}
	if c.above {
		height = 36
	}
	if c.notes != "" {
		top = 20
	}
	bottom := top + height*px(len(c.rows))
	d := drawing{Title: c.title, About: c.about, W: drawingWidth, H: bottom + foot}
	at := func(v float64) px { return c.axis.place(v, left, right) }
	if c.notes != "" {
		d.Texts = append(d.Texts, label{drawingWidth - 2, 10, c.notes, "end quiet"})
	}
	if c.band[1] > c.band[0] {
		d.Bands = append(d.Bands, band{at(c.band[0]), top, at(c.band[1]) - at(c.band[0]), bottom - top})
	}
	for _, t := range c.axis.thin(left, right, width) {
		d.Lines = append(d.Lines, line2{at(t.at), top, at(t.at), bottom, "grid"})
		d.Texts = append(d.Texts, label{at(t.at), bottom + 16, t.text, "middle"})
	}
	if !math.IsNaN(c.ref) {
		d.Lines = append(d.Lines, line2{at(c.ref), top, at(c.ref), bottom, "ref"})
	}
	for i, r := range c.rows {
		y := top + height*(px(i)+0.5)
		if c.above {
			d.Texts = append(d.Texts, label{left, y - 5, r.label, ""})
			y += 9
		} else {
			d.Texts = append(d.Texts, label{left - 8, y + 4, r.label, "end"})
		}
		if r.note != "" {
			d.Texts = append(d.Texts, label{drawingWidth - 2, y + 4, r.note, "end"})
		}
		if r.hi > r.lo {
			d.Lines = append(d.Lines, line2{at(r.lo), y, at(r.hi), y, "range"})
		}
		for _, p := range r.dots {
			class := "dot"
			if p.hollow {
				class = "dot hollow"
			}
			d.Marks = append(d.Marks, mark{p.shape.at(at(p.at), y), class})
		}
	}
	return d
}

// series is a line of a lineChart.
type series struct {
	name   string
	points []point
}

type point struct{ x, y, lo, hi float64 }

// lineChart draws series over a common axis.
type lineChart struct {
	title, about string
	x, y         axis
	series       []series
	ref          float64
}

func (c lineChart) draw() drawing {
	const top, foot, height px = 10, 24, 170
	left, right := px(8), drawingWidth-8
	for _, t := range c.y.ticks {
		left = max(left, width(t.text)+12)
	}
	for _, s := range c.series {
		right = min(right, drawingWidth-width(s.name)-30)
	}
	right = max(right, left+60)
	bottom := top + height
	d := drawing{Title: c.title, About: c.about, W: drawingWidth, H: bottom + foot}
	x := func(v float64) px { return c.x.place(v, left+8, right) }
	y := func(v float64) px { return c.y.place(v, bottom, top) }
	for _, t := range c.y.thin(bottom, top, lineHeight) {
		d.Lines = append(d.Lines, line2{left, y(t.at), right, y(t.at), "grid"})
		d.Texts = append(d.Texts, label{left - 6, y(t.at) + 4, t.text, "end"})
	}
	for _, t := range c.x.thin(left+8, right, width) {
		d.Texts = append(d.Texts, label{x(t.at), bottom + 16, t.text, "middle"})
	}
	if !math.IsNaN(c.ref) {
		d.Lines = append(d.Lines, line2{left, y(c.ref), right, y(c.ref), "ref"})
	}
	names := spread(c.series, y, top, bottom)
	for i, s := range c.series {
		class, line := "s"+string(rune('0'+i%shapes)), ""
		for k, p := range s.points {
			step := "L"
			if k == 0 {
				step = "M"
			}
			line += step + x(p.x).String() + " " + y(p.y).String()
			if p.hi > p.lo {
				d.Lines = append(d.Lines, line2{x(p.x), y(p.lo), x(p.x), y(p.hi), "range " + class})
			}
			d.Marks = append(d.Marks, mark{shape(i).at(x(p.x), y(p.y)), "dot " + class})
		}
		d.Paths = append(d.Paths, path{line, "curve " + class})
		d.Texts = append(d.Texts, label{right + 10, names[i] + 4, shape(i).glyph() + " " + s.name, class})
	}
	return d
}

// spread is where the names of series go: next to their ends, and not on top of
// each other.
func spread(all []series, y func(float64) px, top, bottom px) []px {
	const gap px = 15
	at := make([]px, len(all))
	for i, s := range all {
		at[i] = y(s.points[len(s.points)-1].y)
	}
	for range 100 {
		moved := false
		for i := range at {
			for j := range i {
				if d := at[i] - at[j]; d > -gap && d < gap {
					push := (gap - px(math.Abs(float64(d)))) / 2
					if d < 0 {
						push = -push
					}
					at[i], at[j], moved = at[i]+push+0.01, at[j]-push, true
				}
			}
		}
		for i := range at {
			at[i] = max(top, min(bottom, at[i]))
		}
		if !moved {
			break
		}
	}
	return at
}
