package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// sheet is a table of text. Its first columns, heads of them, name the rows.
type sheet struct {
	heads int
	rows  [][]string
}

func (s *sheet) add(cells ...string) { s.rows = append(s.rows, cells) }

// gap adds an empty line.
func (s *sheet) gap() {
	if len(s.rows) > 1 {
		s.add(make([]string, len(s.rows[0]))...)
	}
}

// write writes s, in as many parts as its columns need.
func (s sheet) write(out io.Writer) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range s.rows {
		fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
	}
	t.Flush()
	if n := len(s.rows[0]) - s.heads; n > 1 && widest(b.Bytes()) > columns {
		middle := s.heads + n/2
		if err := s.part(s.heads, middle).write(out); err != nil {
			return err
		}
		fmt.Fprintln(out)
		return s.part(middle, len(s.rows[0])).write(out)
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// part is what names the rows of s, and the columns from one up to another.
func (s sheet) part(from, to int) sheet {
	p := sheet{heads: s.heads}
	for _, row := range s.rows {
		p.add(slices.Concat(row[:s.heads], row[from:to])...)
	}
	return p
}

// columns is what a terminal shows side by side.
const columns = 100

// widest is the length of the longest line of text, in runes.
func widest(text []byte) (most int) {
	for line := range bytes.Lines(text) {
		most = max(most, utf8.RuneCount(bytes.TrimRight(line, " \n")))
	}
	return most
}
