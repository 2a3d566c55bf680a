package report

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"stablepages/bench/findings"
)

// columns is the width of a text, in characters.
const columns = 100

// Text writes f as text of at most 100 columns.
func Text(out io.Writer, f findings.Findings) error { return writeText(out, f, true, false) }

// Summary is Text without the details.
func Summary(out io.Writer, f findings.Findings) error { return writeText(out, f, false, false) }

// Colored is Text with colours, for terminals.
func Colored(out io.Writer, f findings.Findings) error { return writeText(out, f, true, true) }

// Answers writes the verdict of f and its answers.
func Answers(out io.Writer, f findings.Findings) error {
	if f.Sections = nil; len(f.Broken)+len(f.Inconclusive)+len(f.Answers) == 0 {
		return nil
	}
	_, err := io.WriteString(out, "\n")
	return errors.Join(err, Summary(out, f))
}

// News writes what now adds to before, without details: the output of a run in progress.
func News(out io.Writer, before, now findings.Findings) error {
	now.Broken, now.Inconclusive = unsaid(before.Broken, now.Broken), nil
	now.Answers = unsaid(before.Answers, now.Answers)
	var sections []findings.Section
	for _, s := range now.Sections {
		for _, old := range before.Sections {
			if old.Title == s.Title && old.System == s.System {
				s.Text, s.Tables = unsaid(old.Text, s.Text), unsaid(old.Tables, s.Tables)
				s.Lists, s.Notes = unsaid(old.Lists, s.Lists), unsaid(old.Notes, s.Notes)
			}
		}
		if len(before.Sections) > 0 {
			s.System = "" // named before
		}
		if !s.Detail && len(s.Text)+len(s.Tables) > 0 {
			sections = append(sections, s)
		}
	}
	if now.Sections = sections; len(now.Broken)+len(now.Answers)+len(now.Sections) == 0 {
		return nil
	}
	if len(before.Answers) > 0 {
		if _, err := io.WriteString(out, "\n"); err != nil {
			return err
		}
	}
	return Summary(out, now)
}

// unsaid returns the elements of now that before lacks.
func unsaid[T any](before, now []T) []T {
	return slices.DeleteFunc(slices.Clone(now), func(x T) bool {
		return slices.ContainsFunc(before, func(y T) bool { return reflect.DeepEqual(x, y) })
	})
}

func writeText(out io.Writer, f findings.Findings, details, colored bool) error {
	t := text{colored: colored}
	t.list(t.color("A promise was broken", findings.Broken)+":", f.Broken)
	t.list(t.color("Inconclusive", findings.Open)+":", f.Inconclusive)
	for i, a := range f.Answers {
		if i == 0 {
			t.gap()
		}
		t.wrap("", a.Question+" "+strings.Join(a.Said, " "))
	}
	system := ""
	for _, s := range f.Sections {
		if s.Detail && !details {
			continue
		}
		if s.System != system && s.System != "" {
			t.gap()
			t.wrap("", s.System)
			system = s.System
		}
		t.section(s)
	}
	if t.Len() == 0 {
		t.WriteString("No Records.\n")
	}
	_, err := io.WriteString(out, t.String())
	return err
}

// text is a text of at most so many columns.
type text struct {
	strings.Builder
	colored bool
}

// gap writes an empty line, except at the start.
func (t *text) gap() {
	if t.Len() > 0 {
		t.WriteString("\n")
	}
}

// list writes items under a title, which may be empty.
func (t *text) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	t.gap()
	if title != "" {
		t.wrap("", title)
	}
	for _, item := range items {
		t.wrap("  ", item)
	}
}

func (t *text) section(s findings.Section) {
	t.gap()
	t.wrap("", s.Title)
	for _, said := range s.Text {
		t.wrap("", said)
	}
	for _, table := range s.Tables {
		t.gap()
		if table.Title != "" {
			t.wrap("", table.Title)
			t.gap()
		}
		t.table(table)
	}
	for _, list := range s.Lists {
		t.list(list.Title, list.Items)
	}
	t.list("", s.Notes)
}

// table writes a table, in several parts if it is too wide.
func (t *text) table(table findings.Table) {
	gap := 2
	grouped := slices.ContainsFunc(table.Rows, func(r findings.Row) bool { return r.Group })
	var rows [][]findings.Cell // each begins with its name
	if table.Head != nil {
		rows = append(rows, findings.Texts(table.Head...))
	}
	for _, r := range table.Rows {
		name := r.Name
		if grouped && !r.Group {
			name = "  " + name
		}
		rows = append(rows, append(findings.Texts(name), r.Cells...))
	}
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.Text))
		}
	}
	if len(parts(widths, columns-2, 1)) == 1 && len(parts(widths, columns-2, gap)) > 1 {
		gap = 1
	}
	for i, part := range parts(widths, columns-2, gap) {
		if i > 0 {
			t.gap()
		}
		for _, row := range rows {
			line := fmt.Sprintf("  %-*s", widths[0], row[0].Text)
			for i := part[0]; i < min(part[1], len(row)); i++ {
				line += strings.Repeat(" ", gap+widths[i]-utf8.RuneCountInString(row[i].Text)) + t.color(row[i].Text, row[i].Mark)
			}
			t.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
}

// parts split the columns after the first into ranges that fit beside it, with about as
// many columns in each.
func parts(widths []int, room, gap int) [][2]int {
	fit := func(most int) (all [][2]int) {
		for from := 1; from == 1 || from < len(widths); {
			to, left := from, room-widths[0]
			for to < len(widths) && to-from < most && (to == from || gap+widths[to] <= left) {
				left -= gap + widths[to]
				to++
			}
			all, from = append(all, [2]int{from, to}), max(to, from+1)
		}
		return all
	}
	all := fit(len(widths))
	if even := fit((len(widths) + len(all) - 2) / len(all)); len(even) == len(all) {
		return even
	}
	return all
}

// color colours text for terminals (SGR sequences of ECMA-48).
func (t *text) color(text string, mark findings.Mark) string {
	sequence := map[findings.Mark]string{findings.Broken: "\x1b[1;31m", findings.Hole: "\x1b[33m", findings.Open: "\x1b[33m"}[mark]
	if !t.colored || sequence == "" {
		return text
	}
	return sequence + text + "\x1b[0m"
}

// wrap writes said in lines after a margin, which is 2 wider from the second line on.
func (t *text) wrap(margin, said string) {
	column := len(margin)
	t.WriteString(margin)
	for i, word := range strings.Fields(said) {
		wide := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+wide > columns-2:
			t.WriteString("\n" + margin + "  ")
			column = len(margin) + 2
		default:
			t.WriteString(" ")
			column++
		}
		t.WriteString(word)
		column += wide
	}
	t.WriteString("\n")
}
