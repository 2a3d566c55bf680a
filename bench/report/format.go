package report

import (
	"fmt"
	"io"
)

// Format is a way to write Results.
type Format struct {
	Name, About string
	Write       func(io.Writer, Results) error
}

var formats = []Format{
	{"text", "tables for a terminal, at most 100 columns", Text},
	{"summary", "the same without the tables of each kind of write timed", Summary},
	{"csv", "a line for each cell of the tables, and each kernel's", writeCSV},
	{"benchfmt", "a line for each timing, for benchstat", writeBenchfmt},
	{"html", "one file with figures, which needs nothing else", HTML},
	{"cost.svg", "the figure of what strategies cost with nothing changing", writeCostSVG},
	{"holes.svg", "the figure of what verify cannot see, by how long it stays", writeHolesSVG},
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
