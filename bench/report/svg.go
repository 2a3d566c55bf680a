package report

import (
	"errors"
	"io"

	"stablepages/bench/chart"
	"stablepages/bench/findings"
)

var errNothingToDraw = errors.New("there is nothing to draw: nothing of it was measured")

// fileWidth is that of a figure in a page of text, in pixels.
const fileWidth = 600

func writeFigure(out io.Writer, f *findings.Figure) error {
	if f == nil {
		return errNothingToDraw
	}
	_, err := io.WriteString(out, chart.File(f.Chart, fileWidth, []string{f.Title, f.Where}, []string{f.Note, f.System}))
	return err
}
