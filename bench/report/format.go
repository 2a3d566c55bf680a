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
	{"summary", "the same, without the table of all timings", Summary},
	{"csv", "a line for each cell of the tables, for each Record of a kernel, and for each program", writeCSV},
	{"benchfmt", "a line for each timing and each program, for benchstat", writeBenchfmt},
	{"html", "one self-contained file with figures", HTML},
	{"cost.svg", "figure: the cost of strategies with nothing changing", func(out io.Writer, f findings.Findings) error { return writeFigure(out, f.Cost) }},
	{"holes.svg", "figure: writes that verify leaves torn, by the time until a change is restored", func(out io.Writer, f findings.Findings) error { return writeFigure(out, f.Holes) }},
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
