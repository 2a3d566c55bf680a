package report

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
)

// standalone is a figure in a file of its own. It brings the paper that it is
// drawn on, so that its colours do not depend on what is around it.
type standalone struct {
	Title, Where string
	Note, System string // below it
	Drawing      drawing
	Style        template.CSS
	Margin, Top  px
}

var errNothingToDraw = errors.New("there is nothing to draw")

// standaloneWidth is that of the drawing in a page of text.
const standaloneWidth px = 600

func (s standalone) W() px { return s.Drawing.W + 2*s.Margin }
func (s standalone) H() px { return s.Foot() + 34 }

// Foot is where the lines below the drawing begin.
func (s standalone) Foot() px { return s.Top + s.Drawing.H + 16 }

// Inner has the size of what is within the line around the figure.
func (s standalone) Inner() drawing { return drawing{W: s.W() - 1, H: s.H() - 1} }

func (s standalone) write(out io.Writer) error {
	s.Style, s.Margin, s.Top = template.CSS(figureStyle), 16, 60
	return pageTemplate.ExecuteTemplate(out, "standalone", s)
}

// writeCostSVG writes a figure of what strategies cost with nothing changing, of the
// first system on which that was timed.
func writeCostSVG(out io.Writer, res Results) error {
	for _, g := range groups(res) {
		if s := atRest(costSets(g.costs)); s != nil && len(s.strategies()) > 0 {
			return standalone{
				Title: "Throughput by that of a plain direct write, " + s.changing(), Where: "on " + s.where(), System: describe(g.system),
				Note:    "Size x depth; median and 95% interval. Shaded: raw against raw. Hollow: may be noise.",
				Drawing: s.glance(standaloneWidth).Drawing,
			}.write(out)
		}
	}
	return fmt.Errorf("%w: no strategy was timed beside raw with nothing changing", errNothingToDraw)
}

// writeHolesSVG writes a figure of how many writes are torn where changes are restored,
// of the first system on which that was tried with more than one hold or size.
func writeHolesSVG(out io.Writer, res Results) error {
	for _, g := range groups(res) {
		if curves := holdCurves(g.races); len(curves) > 0 {
			note := "95% intervals; steps of time are not to scale."
			if !slices.ContainsFunc(curves, func(c holdCurve) bool { return !c.gate }) {
				note = "Every change was made in flight. " + note
			}
			return standalone{
				Title: "Torn writes under verify, by how long a change stays before it is undone", Where: "by the size of the writes", System: describe(g.system),
				Note:    note,
				Drawing: holdFigure(curves, standaloneWidth).Drawing,
			}.write(out)
		}
	}
	return fmt.Errorf("%w: changes that are restored were not tried with several holds or sizes", errNothingToDraw)
}
