package report

import (
	"fmt"
	"strings"

	"stablepages/bench/prove"
)

// grid is a table of an HTML page. The first column names its rows.
type grid struct {
	Caption string
	Head    []string
	Bodies  []gridBody
}

// gridBody is rows that belong together, under a Name if they have one.
type gridBody struct {
	Name string
	Rows []gridRow
}

type gridRow struct {
	Name  string
	About string
	Cells []gridCell
}

// gridCell is a text, and what it means: "kept", "hole", "broken", or "". Its Head
// is that of its column where there may be no room for columns.
type gridCell struct{ Text, State, Head string }

// add adds a row of numbers.
func (g *grid) add(name string, texts ...string) *gridRow {
	row := gridRow{Name: name}
	for _, text := range texts {
		row.Cells = append(row.Cells, gridCell{Text: text})
	}
	return g.put(row)
}

func (g *grid) put(row gridRow) *gridRow {
	if len(g.Bodies) == 0 {
		g.Bodies = append(g.Bodies, gridBody{})
	}
	last := &g.Bodies[len(g.Bodies)-1]
	last.Rows = append(last.Rows, row)
	return &last.Rows[len(last.Rows)-1]
}

// state is what a cell of a matrix means, by its text. Nothing is kept where
// nothing was promised.
func state(text string, promised bool) string {
	switch {
	case strings.HasPrefix(text, "!"):
		return "broken"
	case strings.HasPrefix(text, "*"):
		return "hole"
	case text != "" && promised:
		return "kept"
	}
	return ""
}

// grid is m for HTML.
func (m matrix) grid(caption string) grid {
	g := grid{Caption: caption, Head: []string{""}}
	for _, k := range m.mutators {
		g.Head = append(g.Head, k.String())
	}
	for _, r := range m.rows {
		row := gridRow{Name: r.writer}
		for _, c := range r.cells {
			row.Cells = append(row.Cells, gridCell{Text: c.String(), State: state(c.String(), !c.unpromised)})
		}
		g.put(row)
	}
	return g
}

// proofGrid is t for HTML.
func kernelsGrid(m prove.Matrix) grid {
	g := grid{Caption: "Open or closed, by kernel", Head: append([]string{""}, m.Kernels...)}
	for _, v := range m.Victims {
		body := gridBody{Name: v.Victim}
		for _, w := range append([]prove.MatrixWriter{{Writer: "written", Cells: v.Written}}, v.Writers...) {
			row := gridRow{Name: w.Writer}
			for _, text := range w.Cells {
				means := ""
				switch {
				case strings.HasPrefix(text, prove.Open.String()):
					means = "hole"
				case strings.HasPrefix(text, prove.Closed.String()):
					means = "kept"
				}
				row.Cells = append(row.Cells, gridCell{Text: text, State: means})
			}
			body.Rows = append(body.Rows, row)
		}
		g.Bodies = append(g.Bodies, body)
	}
	return g
}

func proofGrid(t prove.Table) grid {
	g := grid{Caption: fmt.Sprintf("Linux %s in QEMU (%s)", t.Kernel, t.Accel), Head: []string{""}}
	for _, k := range t.Mutators {
		g.Head = append(g.Head, k.String())
	}
	g.Head = append(g.Head, "crash", "first, s")
	for i, l := range t.Lines {
		if i == 0 || l.Victim != t.Lines[i-1].Victim {
			g.Bodies = append(g.Bodies, gridBody{Name: l.Victim})
		}
		row := gridRow{Name: l.Writer}
		for _, c := range append(l.Races[:len(l.Races):len(l.Races)], l.Crash) {
			row.Cells = append(row.Cells, gridCell{Text: c.String(), State: state(c.String(), !c.Unpromised)})
		}
		first := "-"
		if l.First != nil {
			first = fmt.Sprintf("%.2f", *l.First)
		}
		row.Cells = append(row.Cells, gridCell{Text: first})
		g.put(row)
	}
	return g
}
