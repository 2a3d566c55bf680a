package report

import (
	"cmp"
	"math"
	"strings"
)

// drawingWidth is that of a phone less its margins.
const drawingWidth px = 358

// dotRow is one line of a dot chart.
type dotRow struct {
	label  string
	note   string // at the right end
	dots   []dot
	lo, hi float64 // a line from one to the other, if hi > lo
	class  string  // of the marks
	apart  bool    // from the row before
	// band, if its end is after its start, is behind the row.
	band [2]float64
}

type dot struct {
	at     float64
	shape  shape
	hollow bool
	down   px // from the middle of its row
}

// dotChart draws rows one below the other. Ref, if it is not NaN, is a line across.
type dotChart struct {
	title, about string
	axis         axis
	rows         []dotRow
	ref          float64
	height       px      // of a row; 0: enough for a line of text
	above        bool    // labels have lines of their own
	notes        string  // what the notes are
	legend       []label // where they go is found
}

func (c dotChart) draw(wide px) drawing {
	const foot px = 24
	top, left, right, height := px(6), px(20), wide-20, cmp.Or(c.height, 21)
	note := width(c.notes)
	for _, r := range c.rows {
		if !c.above {
			left = max(left, width(r.label)+10)
		}
		note = max(note, width(r.note))
	}
	left = min(left, 168)
	if note > 0 {
		right = wide - note - 12
	}
	if c.above {
		height = 36
	}
	if c.notes != "" || len(c.legend) > 0 {
		top = 20
	}
	bottom := top + height*px(len(c.rows))
	d := drawing{Title: c.title, About: c.about, W: wide, H: bottom + foot}
	at := func(v float64) px { return c.axis.place(v, left, right) }
	if c.notes != "" {
		d.Texts = append(d.Texts, label{wide - 2, 10, c.notes, "end quiet"})
	}
	x := left
	for _, l := range c.legend {
		l.X, l.Y = x, 10
		d.Texts = append(d.Texts, l)
		x += width(l.Text) + 16
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
		if r.band[1] > r.band[0] {
			d.Bands = append(d.Bands, band{at(r.band[0]), y - height/2, at(r.band[1]) - at(r.band[0]), height})
		}
		if r.apart {
			d.Lines = append(d.Lines, line2{0, y - height/2, wide, y - height/2, "grid"})
		}
		if c.above {
			d.Texts = append(d.Texts, label{left, y - 5, r.label, ""})
			y += 9
		} else {
			d.Texts = append(d.Texts, label{left - 8, y + 4, r.label, "end"})
		}
		if r.note != "" {
			d.Texts = append(d.Texts, label{wide - 2, y + 4, r.note, "end"})
		}
		if r.hi > r.lo && at(r.hi) > at(r.lo) {
			d.Lines = append(d.Lines, line2{at(r.lo), y, at(r.hi), y, strings.TrimSpace("range " + r.class)})
			for _, end := range []float64{r.lo, r.hi} {
				if to := c.axis.beyond(end); to != 0 {
					d.Marks = append(d.Marks, mark{arrow(at(end), y, to, 5), strings.TrimSpace("dot " + r.class)})
				}
			}
		}
		for _, p := range r.dots {
			class := "dot " + r.class
			if p.hollow {
				class += " hollow"
			}
			outline := p.shape.at(at(p.at), y+p.down)
			if to := c.axis.beyond(p.at); to != 0 {
				outline = arrow(at(p.at), y, to, 9)
			}
			d.Marks = append(d.Marks, mark{outline, strings.Join(strings.Fields(class), " ")})
		}
	}
	return d
}

// series is a line of a lineChart.
type series struct {
	name   string
	points []point
	bare   bool // no line through the points
}

type point struct{ x, y, lo, hi float64 }

// lineChart draws series over a common axis.
type lineChart struct {
	title, about string
	x, y         axis
	series       []series
	ref          float64
	model        []point    // a thin line
	at           float64    // a place on the axis below, if it is not 0
	band         [2]float64 // its interval
}

// class is the look of the series i.
func class(i int) string { return "s" + string(rune('0'+i%shapes)) }

func (c lineChart) draw(wide px) drawing {
	const top, foot, height px = 10, 24, 170
	left, right := px(8), wide-8
	for _, t := range c.y.ticks {
		left = max(left, width(t.text)+12)
	}
	for _, s := range c.series {
		right = min(right, wide-width(s.name)-30)
	}
	right = max(right, left+60)
	bottom := top + height
	d := drawing{Title: c.title, About: c.about, W: wide, H: bottom + foot}
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
	if c.at > 0 {
		d.Lines = append(d.Lines, line2{x(c.at), top, x(c.at), bottom, "ref"})
	}
	if c.band[1] > c.band[0] {
		d.Bands = append(d.Bands, band{x(c.band[0]), top, x(c.band[1]) - x(c.band[0]), bottom - top})
	}
	line := func(points []point) string {
		var b strings.Builder
		for k, p := range points {
			step := "L"
			if k == 0 {
				step = "M"
			}
			b.WriteString(step + x(p.x).String() + " " + y(p.y).String())
		}
		return b.String()
	}
	if len(c.model) > 0 {
		d.Paths = append(d.Paths, path{line(c.model), "model"})
	}
	names := spread(c.series, y, top, bottom)
	for i, s := range c.series {
		class := class(i)
		for _, p := range s.points {
			if p.hi > p.lo {
				d.Lines = append(d.Lines, line2{x(p.x), y(p.lo), x(p.x), y(p.hi), "range " + class})
			}
			d.Marks = append(d.Marks, mark{shape(i).at(x(p.x), y(p.y)), "dot " + class})
		}
		if s.bare {
			continue
		}
		d.Paths = append(d.Paths, path{line(s.points), "curve " + class})
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
	if px(len(all))*gap > bottom-top+gap {
		return at // there is no room
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
