package chart

import "strings"

// Lines draws series over a common axis.
type Lines struct {
	X, Y   Axis
	Series []Series
}

// Series is a line through points.
type Series struct {
	Name   string
	Points []Point // at least one
}

// Point is a value and, if Hi > Lo, its interval.
type Point struct{ X, Y, Lo, Hi float64 }

func (l Lines) draw(c *canvas, wide px) px {
	const foot, height px = 24, 170
	left, right := px(8), wide-20
	var names []string
	for _, s := range l.Series {
		names = append(names, s.Name)
	}
	for _, t := range l.Y.Ticks {
		left = max(left, width(t.Text)+12)
	}
	top := c.legend(left, wide, names) + 6
	bottom := top + height
	x := func(v float64) px { return l.X.place(v, left+8, right) }
	y := func(v float64) px { return l.Y.place(v, bottom, top) }
	for _, t := range l.Y.thin(bottom, top, lineHeight) {
		c.line(left, y(t.At), right, y(t.At), "grid")
		c.text(left-6, y(t.At)+4, "end", t.Text)
	}
	for _, t := range l.X.thin(left+8, right, width) {
		c.text(x(t.At), bottom+16, "middle", t.Text)
	}
	for i, s := range l.Series {
		look := shape(i)
		var steps []string
		for _, p := range s.Points {
			steps = append(steps, x(p.X).String()+" "+y(p.Y).String())
		}
		c.path("M"+strings.Join(steps, "L"), "curve "+look.class())
		for _, p := range s.Points {
			if p.Hi > p.Lo {
				c.line(x(p.X), y(p.Lo), x(p.X), y(p.Hi), "range "+look.class())
			}
			c.path(look.at(x(p.X), y(p.Y)), "dot "+look.class())
		}
	}
	return bottom + foot
}
