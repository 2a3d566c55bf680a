package report

import (
	"errors"
	"io"

	"stablepages/bench/chart"
	"stablepages/bench/findings"
)

var errNothingToDraw = errors.New("nothing to draw: the Records have no measurements for this figure")

// fileWidth is the width of a figure in a page of text, in pixels.
const fileWidth = 600

func writeFigure(out io.Writer, f *findings.Figure) error {
	if f == nil {
		return errNothingToDraw
	}
	_, err := io.WriteString(out, chart.File(f.Chart, fileWidth, f.Title, f.Where, f.Note, f.System))
	return err
}
