package report

import (
	"fmt"
	"io"

	"stablepages/bench/findings"
)

// Format is a way to write Findings.
type Format struct {
	Name, About string
	Write       func(io.Writer, findings.Findings) error
}

var formats = []Format{
	{"text", "tables for a terminal, at most 100 columns", Text},
	{"summary", "the same without the table of all that was timed", Summary},
	{"csv", "a line for each cell of the tables, each kernel's, and each program's", writeCSV},
	{"benchfmt", "a line for each timing, and each program's, for benchstat", writeBenchfmt},
	{"html", "one file with figures, which needs nothing else", HTML},
	{"cost.svg", "the figure of what strategies cost with nothing changing", func(out io.Writer, f findings.Findings) error { return writeFigure(out, f.Cost) }},
	{"holes.svg", "the figure of what verify cannot see, by how long it stays", func(out io.Writer, f findings.Findings) error { return writeFigure(out, f.Holes) }},
}

// Formats lists every Format.
func Formats() []Format { return formats }

// FormatNamed finds a Format.
func FormatNamed(name string) (Format, error) {
	var names []string
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("unknown format %q: there are %v", name, names)
}
