package chart

import (
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// Style is the CSS of charts.
//
//go:embed chart.css
var Style string

// Chart is Dots or Lines.
type Chart interface {
	// draw draws the chart on c, so wide, and returns its height.
	draw(c *canvas, wide px) px
}

// Inline draws c for a page, so many CSS pixels wide. The id must be unique in the page.
// Screen readers read about.
func Inline(c Chart, width int, id, title, about string) template.HTML {
	var marks canvas
	height := c.draw(&marks, px(width))
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %d %v" role="img" aria-labelledby="%[3]s-title %[3]s-about">
<title id="%[3]s-title">%[4]s</title><desc id="%[3]s-about">%[5]s</desc>
%[6]s</svg>`, width, height, html.EscapeString(id), html.EscapeString(title), html.EscapeString(about), marks.String()))
}

// File draws c for a file, with title and where above, and note and system below. It has
// a background, so its colours do not depend on the page that shows it.
func File(c Chart, width int, title, where, note, system string) string {
	const margin, line, top, foot px = 16, 18, 26, 12
	var words, marks canvas
	head := top + line + 16
	height := c.draw(&marks, px(width)) + head + 16
	words.text(margin, top, "title", title)
	words.text(margin, top+line, "quiet", where)
	words.text(margin, height, "quiet", note)
	words.text(margin, height+line, "quiet", system)
	wide, high := px(width)+2*margin, height+line+foot+4
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]v" height="%[2]v" viewBox="0 0 %[1]v %[2]v" role="img" aria-labelledby="title about">
<title id="title">%[3]s</title><desc id="about">%[4]s</desc>
<style>%[5]s</style>
<rect class="paper" x="0.5" y="0.5" width="%[6]v" height="%[7]v" rx="6"/>
%[8]s<g transform="translate(%[9]v %[10]v)">
%[11]s</g>
</svg>
`, wide, high, html.EscapeString(title), html.EscapeString(note+" "+system), Style, wide-1, high-1, words.String(), margin, head, marks.String())
}

// px is a coordinate. Its text has only the digits that can be seen.
type px float64

func (p px) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", math.Max(-1e4, math.Min(1e4, float64(p)))), ".0")
}

// canvas is SVG being drawn.
type canvas struct{ strings.Builder }

func (c *canvas) band(x, y, w, h px) {
	fmt.Fprintf(c, "<rect class=\"band\" x=\"%v\" y=\"%v\" width=\"%v\" height=\"%v\"/>\n", x, y, w, h)
}

func (c *canvas) line(x1, y1, x2, y2 px, class string) {
	fmt.Fprintf(c, "<line class=\"%s\" x1=\"%v\" y1=\"%v\" x2=\"%v\" y2=\"%v\"/>\n", class, x1, y1, x2, y2)
}

func (c *canvas) path(d, class string) { fmt.Fprintf(c, "<path class=\"%s\" d=\"%s\"/>\n", class, d) }

func (c *canvas) text(x, y px, class, text string) {
	fmt.Fprintf(c, "<text class=\"%s\" x=\"%v\" y=\"%v\">%s</text>\n", class, x, y, html.EscapeString(text))
}

// legend writes names beside their marks, in lines from left to right, and returns the
// height of these.
func (c *canvas) legend(left, right px, names []string) px {
	x, y := left, px(10)
	for i, name := range names {
		text := shape(i).glyph() + " " + name
		if x > left && x+width(text) > right {
			x, y = left, y+16
		}
		c.text(x, y, shape(i).class(), text)
		x += width(text) + 16
	}
	return y + 10
}

// shape is the look of a mark.
type shape int

// glyph is the character for s.
func (s shape) glyph() string { return []string{"●", "■", "▲", "◆"}[s%4] }

// class is the colour of s.
func (s shape) class() string { return fmt.Sprintf("s%d", s%4) }

// at is the outline of s around a point.
func (s shape) at(x, y px) string {
	switch s.glyph() {
	case "■":
		return fmt.Sprintf("M%v %vh7.2v7.2h-7.2z", x-3.6, y-3.6)
	case "▲":
		return fmt.Sprintf("M%v %vl4.8 8.2h-9.6z", x, y-5)
	case "◆":
		return fmt.Sprintf("M%v %vl5 5l-5 5l-5-5z", x, y-5)
	}
	const r = 4.2
	return fmt.Sprintf("M%v %va%v %v 0 1 0 %v 0a%v %v 0 1 0 %v 0z", x-r, y, r, r, 2*r, r, r, -2*r)
}

// lineHeight is the height of any text.
func lineHeight(string) px { return 12 }

// width is the approximate width of text.
func width(text string) px { return px(len([]rune(text)))*6.9 + px(strings.Count(text, "m"))*3 }
