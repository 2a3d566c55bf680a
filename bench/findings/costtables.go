package findings

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"stablepages/bench/chart"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// costSection shows the costs of one place with nothing changing: the fix of 2011
// beside plain writes and a copy of every write, then the other writers; and the share
// of changed writes from which bounce is cheaper than verify.
func costSection(p costPlace) Section {
	s := Section{Title: "What it costs on " + p.sets[0].where(), Text: p.sentences()}
	if set := first(p.sets, costSet.resting); set != nil && set.Target != record.OnNull {
		main := func(c Comparison) bool {
			return c.Variant == "" && (c.Strategy == stablewrite.Verify || c.Strategy == stablewrite.Bounce) || c.Variant == record.Huge
		}
		const what = "Throughput relative to raw in the same round, median and 95% interval"
		relative := func(name string) column { return about(name, name, Comparison.brief) }
		columns := append([]column{about(raw, "raw MB/s", Comparison.megabytes)}, each(set.writers(main), relative)...)
		for _, name := range []string{raw, verify, bounce} {
			columns = append(columns, about(name, name+" CPU", Comparison.processor))
		}
		if len(p.crossovers) > 0 {
			columns = append(columns, p.cheaper())
			s.Notes = append(s.Notes, "bounce cheaper: from this share of changed writes on, by the line between none and all.")
		}
		s.Tables = []Table{set.table(what+"; CPU, user + system, s/GiB: nothing changing", columns)}
		if others := set.writers(func(c Comparison) bool { return c.Writer() != raw && !main(c) }); others != nil {
			s.Tables = append(s.Tables, set.table(what+": other writers", each(others, relative)))
		}
		if set.has(func(c Comparison) bool { return strings.HasPrefix(c.brief(), "~") }) {
			s.Notes = append(s.Notes, "~ may be noise: the interval contains 1, or lies within that of raw against raw (raw, again).")
		}
		s.Figures = set.figures()
		s.Notes = append(s.Notes, set.facts()...)
	}
	if len(p.crossovers) > 0 {
		s.Tables = append(s.Tables, p.crossoverTable())
		s.Notes = append(s.Notes, "crossover: on the line between none changed and all (95%: between the ends of their intervals); measured: on lines between all points.")
	}
	return s
}

func timedSection(p costPlace) Section {
	s := Section{Title: "All timings on " + p.sets[0].where(), Detail: true, Tables: each(p.sets, costSet.all)}
	s.Notes = []string{"p50, p99, p99.9: latency of a write, without the Syncs between writes, median of the rounds; - if a round had too few writes. CPU: user + system, s/GiB. n: rounds."}
	if p.sets[0].Target == record.OnNull {
		s.Notes = append(s.Notes, fmt.Sprintf("Strategies write more than %s in segments, several at a time on several processors: the added time is elapsed time, not the sum of all work.", Size(stablewrite.DefaultSegmentBytes)))
	}
	return s
}

// column is a column of a table with a row for each Kind.
type column struct {
	head string
	text func(Kind) string
}

func about(writer, head string, text func(Comparison) string) column {
	return column{head, func(k Kind) string {
		if c := k.row(writer); c != nil {
			return text(*c)
		}
		return "-"
	}}
}

// table has a row for each size and depth.
func (s costSet) table(title string, columns []column) Table {
	t := Table{Title: title, Head: append([]string{""}, each(columns, func(c column) string { return c.head })...)}
	for _, k := range s.kinds {
		t.add(kindName(k.CostKey), each(columns, func(c column) string { return c.text(k) })...)
	}
	return t
}

// brief is the throughput relative to raw: "~0.91 0.90-0.92" if it may be noise, and
// "0.91 noise" if few rounds differ by a quarter and more.
func (c Comparison) brief() string {
	if c.Ratio == 0 {
		return "-"
	}
	text := ratioText(c.Ratio)
	switch {
	case c.N < fewRounds && c.Target != record.OnNull && c.Bounded() && c.Hi > 1.25*c.Lo:
		return text + " noise"
	case c.Bounded():
		text += fmt.Sprintf(" %s-%s", ratioText(c.Lo), ratioText(c.Hi))
	}
	if c.Noise {
		text = "~" + text
	}
	return text
}

func (c Comparison) megabytes() string { return fmt.Sprintf("%.0f", c.Throughput/1e6) }

func (c Comparison) processor() string { return fmt.Sprintf("%.2f+%.2f", c.CPUUser, c.CPUSystem) }

func (s costSet) all() Table {
	t := Table{Title: strings.ToUpper(s.changing()[:1]) + s.changing()[1:], Head: []string{"", "MB/s", "of raw", "CPU", "p50", "p99", "p99.9", "ampl", "n"}}
	if s.Target.Simulated() { // the time of a write says more there
		t.Head[7] = "ns/write"
	}
	checked := s.has(func(c Comparison) bool { return c.Checked > 0 })
	if checked {
		t.Head = append(t.Head, "torn")
	}
	for _, k := range s.kinds {
		t.Rows = append(t.Rows, Row{Name: kindName(k.CostKey), Group: true})
		for _, c := range k.Rows {
			last := fmt.Sprintf("%.2f", c.Amplification)
			if s.Target.Simulated() {
				last = fmt.Sprintf("%.0f", perWrite(c))
			}
			row := Texts(c.megabytes(), c.brief(), c.processor(), nanoseconds(c.P50), nanoseconds(c.P99), nanoseconds(c.P999), last, fmt.Sprint(c.N))
			if checked {
				row = append(row, c.readBack())
			}
			t.put(c.Writer(), row)
		}
	}
	return t
}

// readBack counts the torn writes of all that were read back.
func (c Comparison) readBack() Cell {
	switch {
	case c.Checked == 0:
		return Cell{Text: "-"}
	case c.Torn > 0:
		return Cell{fmt.Sprintf("!%d/%d", c.Torn, c.Checked), Broken}
	}
	return Cell{fmt.Sprintf("0/%d", c.Checked), Kept}
}

// figures draw the throughput of strategies against raw, for all sizes and depths.
// Strategies through the page cache are off this scale, and only in the table.
func (s costSet) figures() []Figure {
	names := s.writers(func(c Comparison) bool {
		return c.Variant == "" && c.Ratio > 0 && c.Strategy.Direct() && c.Strategy != stablewrite.Raw
	})
	if len(names) == 0 {
		return nil
	}
	dots := chart.Dots{Ref: 1, Legend: names}
	var values []float64
	for _, k := range s.kinds {
		group := chart.Group{Name: fmt.Sprintf("%s x %d", Size(k.Size), k.Depth)}
		if c := k.Rows[0]; c.AgainHi > 0 && !math.IsInf(c.AgainHi, 0) {
			group.Band = [2]float64{c.AgainLo, c.AgainHi}
			values = append(values, c.AgainLo, c.AgainHi)
		}
		for _, name := range names {
			dot := chart.Dot{At: math.NaN()}
			if c := k.row(name); c != nil && c.Ratio > 0 {
				dot = chart.Dot{At: c.Ratio, Hollow: c.Noise}
				if values = append(values, c.Ratio); c.Bounded() {
					dot.Lo, dot.Hi = c.Lo, c.Hi
					values = append(values, c.Lo, c.Hi)
				}
			}
			group.Dots = append(group.Dots, dot)
		}
		dots.Groups = append(dots.Groups, group)
	}
	dots.X = chart.Ratios(values)
	return []Figure{{
		Title: "Throughput relative to a plain direct write, " + s.changing(), Where: "on " + s.where(), Chart: dots,
		Note: "Size x depth; median and 95% interval. Shaded: raw against raw. Hollow: may be noise.",
	}}
}

// ways says how the kernel writes.
var ways = map[stablewrite.Directness]string{
	stablewrite.DirectYes: "directly", stablewrite.DirectBounced: "bounced by the kernel", stablewrite.DirectNo: "through the page cache",
}

// facts says about strategies what has no column in the tables.
func (s costSet) facts() []string {
	rows := s.rows()
	slices.SortStableFunc(rows, func(a, b Comparison) int { return b.PoolPeak - a.PoolPeak })
	most := map[string]string{} // facts of the row with the most private memory, by writer
	for _, c := range slices.Backward(rows) {
		most[c.Writer()] = c.facts()
	}
	var facts []said
	for _, name := range s.writers(func(c Comparison) bool { return c.Variant == "" && most[c.Writer()] != "" }) {
		facts = append(facts, said{name, most[name]})
	}
	lines := together(facts, "%s: %s.")
	if n := slices.MaxFunc(rows, func(a, b Comparison) int { return a.Extents - b.Extents }).Extents; n > 0 {
		lines = append(lines, fmt.Sprintf("Extents of the file: at most %d.", n))
	}
	if s.has(func(c Comparison) bool { return strings.HasPrefix(c.Writer(), "fio ") }) {
		lines = append(lines, "fio: buffers not scrambled.")
	}
	return lines
}

// facts are how the kernel writes, the engine, and private memory.
func (c Comparison) facts() string {
	var facts []string
	if how := ways[c.Written]; how != "" {
		facts = append(facts, "written "+how)
	}
	if c.Engine != "" {
		facts = append(facts, "engine "+c.Engine)
	}
	if c.PoolPeak > 0 {
		memory := "private memory at most " + Size(c.PoolPeak)
		if c.Private != "" {
			memory += " in " + c.Private + " pages"
		}
		facts = append(facts, memory)
	}
	return strings.Join(facts, ", ")
}
