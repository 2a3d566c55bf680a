package chart

import "math"

// Dots draws groups of dots with intervals, one below the other.
type Dots struct {
	X      Axis
	Ref    float64  // a line across all groups
	Legend []string // names the dots of each Group, in order
	Groups []Group
}

// Group is dots that belong together.
type Group struct {
	Name string
	Band [2]float64 // an interval shaded behind the dots; none if both are 0
	Dots []Dot      // in the order of Dots.Legend
}

// Dot is a value and, if Hi > Lo, its interval.
type Dot struct {
	At     float64 // NaN: nothing is drawn
	Lo, Hi float64
	Hollow bool
}

func (d Dots) draw(c *canvas, wide px) px {
	const foot, height px = 24, 14
	left, right := px(20), wide-20
	rows := 0
	for _, g := range d.Groups {
		left, rows = max(left, width(g.Name)+10), rows+len(g.Dots)
	}
	left = min(left, 168)
	top := c.legend(left, wide, d.Legend)
	bottom := top + height*px(rows)
	at := func(v float64) px { return d.X.place(v, left, right) }
	for _, t := range d.X.thin(left, right, width) {
		c.line(at(t.At), top, at(t.At), bottom, "grid")
		c.text(at(t.At), bottom+16, "middle", t.Text)
	}
	y := top
	for _, g := range d.Groups {
		tall := height * px(len(g.Dots))
		c.line(0, y, wide, y, "grid")
		if g.Band[1] > g.Band[0] {
			c.band(at(g.Band[0]), y, at(g.Band[1])-at(g.Band[0]), tall)
		}
		c.text(left-8, y+tall/2+4, "end", g.Name)
		for i, dot := range g.Dots {
			if s, y := shape(i), y+height*(px(i)+0.5); !math.IsNaN(dot.At) {
				if dot.Hi > dot.Lo {
					c.line(at(dot.Lo), y, at(dot.Hi), y, "range "+s.class())
				}
				class := "dot " + s.class()
				if dot.Hollow {
					class += " hollow"
				}
				c.path(s.at(at(dot.At), y), class)
			}
		}
		y += tall
	}
	c.line(at(d.Ref), top, at(d.Ref), bottom, "ref")
	return bottom + foot
}
