package report

import (
	"fmt"
	"math"
	"strings"
)

// drawing is an SVG image. Its units are those of CSS at a width of drawingWidth,
// which a phone shows whole.
type drawing struct {
	ID           string // of its title, for those who do not see it
	Title, About string
	W, H         px
	Bands        []band
	Lines        []line2
	Paths        []path
	Marks        []mark
	Texts        []label
}

// px is a coordinate, with the digits that can be seen.
type px float64

func (p px) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", math.Max(-1e4, math.Min(1e4, float64(p)))), ".0")
}

type (
	band  struct{ X, Y, W, H px }
	line2 struct {
		X1, Y1, X2, Y2 px
		Class          string
	}
	path  struct{ D, Class string }
	mark  struct{ D, Class string }
	label struct {
		X, Y  px
		Text  string
		Class string
	}
)

// shape is what a mark looks like: nothing is told by colour alone.
type shape int

const (
	circle shape = iota
	square
	triangle
	diamond
	shapes = 4
)

// at is the outline of s around a point.
func (s shape) at(x, y px) string {
	const r = 4.2
	switch s % shapes {
	case square:
		return fmt.Sprintf("M%v %vh7.2v7.2h-7.2z", x-3.6, y-3.6)
	case triangle:
		return fmt.Sprintf("M%v %vl4.8 8.2h-9.6z", x, y-5)
	case diamond:
		return fmt.Sprintf("M%v %vl5 5l-5 5l-5-5z", x, y-5)
	}
	return fmt.Sprintf("M%v %va%v %v 0 1 0 %v 0a%v %v 0 1 0 %v 0z", x-r, y, r, r, 2*r, r, r, -2*r)
}

// arrow is the outline of one whose tip is at a point, to the right, or to the left.
func arrow(x, y px, to int, length px) string {
	back, half := px(-to)*length, length*0.6
	return fmt.Sprintf("M%v %vl%v %vv%vz", x, y, back, -half, 2*half)
}

// glyph is s in a text.
func (s shape) glyph() string { return []string{"●", "■", "▲", "◆"}[s%shapes] }

// axis maps values to a length.
type axis struct {
	min, max float64
	log      bool
	ticks    []tick
}

type tick struct {
	at   float64
	text string
}

// beyond is 1 if v is after the end of a, -1 if it is before its start, and else 0.
func (a axis) beyond(v float64) int {
	switch {
	case v > a.max:
		return 1
	case v < a.min:
		return -1
	}
	return 0
}

// place is where v lies between from and to; outside of the axis it is at its end.
func (a axis) place(v float64, from, to px) px {
	at := func(v float64) float64 { return v }
	if a.log {
		at = math.Log
	}
	share := (at(v) - at(a.min)) / (at(a.max) - at(a.min))
	if math.IsNaN(share) {
		share = 0
	}
	return from + px(math.Max(0, math.Min(1, share)))*(to-from)
}

// thin is the ticks of a whose texts, of these sizes along it, do not touch between
// from and to. The first ones matter most.
func (a axis) thin(from, to px, size func(string) px) (kept []tick) {
	for _, t := range a.ticks {
		x, free := a.place(t.at, from, to), true
		for _, k := range kept {
			gap := (size(t.text)+size(k.text))/2 + 6
			free = free && px(math.Abs(float64(a.place(k.at, from, to)-x))) >= gap
		}
		if free && t.at >= a.min && t.at <= a.max {
			kept = append(kept, t)
		}
	}
	return kept
}

// lineHeight is that of any text.
func lineHeight(string) px { return 12 }

// width is about that of text.
func width(text string) px { return px(len([]rune(text)))*6.9 + px(strings.Count(text, "m"))*3 }

// ratioAxis is a logarithmic one around values, with 1 on it.
func ratioAxis(values []float64) axis {
	a := axis{min: 0.95, max: 1.05, log: true}
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			a.min, a.max = math.Min(a.min, v), math.Max(a.max, v)
		}
	}
	a.min, a.max = math.Max(a.min/1.04, 1e-4), math.Min(a.max*1.04, 1e4)
	a.ticks = []tick{{1, "1"}}
	for _, v := range []float64{0.5, 2, 0.75, 1.5, 0.25, 4, 0.1, 10, 0.9, 1.1, 0.8, 1.25, 0.95, 1.05, 0.01, 100, 0.001, 1000} {
		a.ticks = append(a.ticks, tick{v, fmt.Sprintf("%.4g", v)})
	}
	return a
}

// timeAxis is a logarithmic one around nanoseconds.
func timeAxis(values []float64) axis {
	a := axis{min: math.Inf(1), max: 1, log: true}
	for _, v := range values {
		if v > 0 {
			a.min, a.max = math.Min(a.min, v), math.Max(a.max, v)
		}
	}
	a.min, a.max = math.Min(a.min, a.max)/1.2, a.max*1.2
	for _, step := range []float64{1, 3, 2, 5} {
		for v := step; v <= 1e18; v *= 10 {
			a.ticks = append(a.ticks, tick{v, nanoseconds(v)})
		}
	}
	return a
}

// shareAxis is one from nothing to all.
func shareAxis() axis {
	a := axis{min: 0, max: 1}
	for _, v := range []float64{0, 1, 0.5, 0.25, 0.75} {
		a.ticks = append(a.ticks, tick{v, percent(v)})
	}
	return a
}

// nanoseconds is a time with three digits and its unit.
func nanoseconds(ns float64) string {
	for _, u := range []struct {
		name string
		ns   float64
	}{{"s", 1e9}, {"ms", 1e6}, {"µs", 1e3}} {
		if ns >= 0.9995*u.ns {
			return digits(ns/u.ns) + " " + u.name
		}
	}
	return digits(ns) + " ns"
}

// digits is v with three of them.
func digits(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
