package report

import (
	"fmt"
	"io"
	"slices"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
)

// matrix is torn writes of writes, by who wrote and who changed the buffer.
type matrix struct {
	mutators []mutator.Kind
	rows     []matrixRow
}

type matrixRow struct {
	writer string
	cells  []matrixCell // by matrix.mutators
}

// matrixCell adds up races that are alike.
type matrixCell struct {
	torn, writes    int
	refused, broken bool
	unpromised      bool // a write may be torn
}

// matrixOf makes the matrix of the races that are gated, or of those that are not.
func matrixOf(recs []record.Repro, gated bool) (m matrix) {
	for _, k := range mutator.Kinds() {
		if slices.ContainsFunc(recs, func(r record.Repro) bool { return r.Gate == gated && r.Mutator == k }) {
			m.mutators = append(m.mutators, k)
		}
	}
	for _, r := range alike(recs) {
		if r.Gate != gated {
			continue
		}
		i := slices.IndexFunc(m.rows, func(row matrixRow) bool { return row.writer == r.Writer() })
		if i < 0 {
			i = len(m.rows)
			m.rows = append(m.rows, matrixRow{r.Writer(), make([]matrixCell, len(m.mutators))})
		}
		m.rows[i].cells[slices.Index(m.mutators, r.Mutator)].add(r)
	}
	return m
}

func (c *matrixCell) add(r record.Repro) {
	c.torn += r.Torn
	c.writes += r.Writes
	c.refused = c.refused || r.Refused > 0
	c.broken = c.broken || repro.Promised(r) && r.Torn > 0
	c.unpromised = c.unpromised || !repro.Promised(r)
}

// String marks torn writes with a *, those that break a promise with a !, and
// refused ones with an r. It is empty where nothing was tried.
func (c matrixCell) String() string {
	mark, refused := "", ""
	switch {
	case c.writes == 0:
		return ""
	case c.broken:
		mark = "!"
	case c.torn > 0:
		mark = "*"
	}
	if c.refused {
		refused = "r"
	}
	return fmt.Sprintf("%s%d/%d%s", mark, c.torn, c.writes, refused)
}

// write writes m as text.
func (m matrix) write(out io.Writer) error {
	t := sheet{heads: 1}
	head := []string{""}
	for _, k := range m.mutators {
		head = append(head, k.String())
	}
	t.add(head...)
	for _, row := range m.rows {
		cells := []string{row.writer}
		for _, c := range row.cells {
			cells = append(cells, c.String())
		}
		t.add(cells...)
	}
	return t.write(out)
}
