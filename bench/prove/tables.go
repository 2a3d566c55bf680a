package prove

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// Legend says what a Table shows.
const Legend = `Writes that failed, of writes; free-running and gated ones together.
  e  the layer says so: a read fails, a write is refused, or legs differ
  t  the media are not what the receipt says, and the layer stands by them (not counted for raw
     against a mutator that runs free, which may come before the submission)
  r  the strategy refused changed writes
  *  no promise covers it    !  a broken promise
crash: writes cut short, and commits, after which a power cut leaves something unreadable, or not
the same on every leg.
first: seconds until the first e, on a control and where the kernel copies until the first t.`

// Table is what was found under one kernel.
type Table struct {
	Kernel, Accel string
	Origin        string // as record.Prove.Origin
	Mutators      []mutator.Kind
	Lines         []Line   // by victim
	Notes         []string // what the lines have no room for
}

// Line is what happened to the writes of one writer to one victim.
type Line struct {
	Victim, Writer string
	Races          []Cell // by Table.Mutators
	Crash          Cell
	First          *float64 // seconds until the first failure; nil: there was none
}

// Tables makes a Table of each kernel in recs, in order of appearance.
func Tables(recs []record.Prove) (all []Table) {
	for _, k := range kernels(recs) {
		of := slices.DeleteFunc(slices.Clone(recs), func(r record.Prove) bool { return r.Kernel != k })
		t := Table{Kernel: k, Accel: of[0].Accel, Origin: of[0].Origin}
		var lines []line
		t.Mutators, lines = axes(of)
		for _, l := range lines {
			t.Lines = append(t.Lines, summarize(of, t.Mutators, l))
		}
		for _, s := range stages(of) {
			t.Notes = append(t.Notes, notesOf(s, of)...)
		}
		all = append(all, t)
	}
	return all
}

// summarize adds up what recs say of l.
func summarize(recs []record.Prove, mutators []mutator.Kind, l line) Line {
	sum := Line{Victim: l.victim, Writer: l.writer, Races: make([]Cell, len(mutators))}
	for _, r := range recs {
		switch {
		case lineOf(r) != l:
		case crashed(r):
			sum.Crash.add(r)
		case r.Scenario == string(Race):
			sum.Races[slices.Index(mutators, r.Mutator)].add(r)
			sum.First = earlier(sum.First, r)
		}
	}
	return sum
}

// WriteReport writes the matrix of recs as text of at most 100 columns, and what
// else was found.
func WriteReport(out io.Writer, recs []record.Prove) error {
	tables := Tables(recs)
	m := MatrixOf(recs)
	if err := m.write(out); err != nil {
		return err
	}
	said := Findings(recs)
	for _, text := range said {
		fmt.Fprintf(out, "\n%s\n", Wrap(text))
	}
	if len(said) > 0 {
		fmt.Fprintln(out)
	}
	if slices.ContainsFunc(tables, func(t Table) bool { return len(t.Lines) > 0 }) {
		fmt.Fprintln(out, Legend)
	}
	for _, t := range tables {
		fmt.Fprintf(out, "\n%s\n\n", t.title())
		if err := t.writeMatrix(out); err != nil {
			return err
		}
		for i, n := range t.Notes {
			if i == 0 {
				fmt.Fprintln(out)
			}
			fmt.Fprintln(out, Wrap(n))
		}
	}
	return writePrograms(out, recs)
}

func (m Table) title() string {
	title := fmt.Sprintf("Linux %s in QEMU (%s)", m.Kernel, m.Accel)
	if m.Origin != "" {
		title += ", Debian's " + m.Origin
	}
	return title
}

func kernels(recs []record.Prove) (all []string) {
	for _, r := range recs {
		if !slices.Contains(all, r.Kernel) {
			all = append(all, r.Kernel)
		}
	}
	return all
}

// line names one row of the matrix.
type line struct{ victim, writer string }

func (m Table) writeMatrix(out io.Writer) error {
	if len(m.Lines) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 1, ' ', tabwriter.AlignRight)
	for _, k := range m.Mutators {
		fmt.Fprintf(t, "\t%v", k)
	}
	fmt.Fprintln(t, "\tcrash\tfirst\t")
	victim, nameWidth := "", 0 // of the column that is not aligned to the right
	for _, l := range m.Lines {
		nameWidth = max(nameWidth, len(l.Victim), len("  "+l.Writer))
	}
	for _, l := range m.Lines {
		if l.Victim != victim {
			victim = l.Victim
			fmt.Fprintf(t, "%-*s%s\n", nameWidth, victim, strings.Repeat("\t", len(m.Mutators)+3))
		}
		fmt.Fprintf(t, "%-*s", nameWidth, "  "+l.Writer)
		for _, c := range l.Races {
			fmt.Fprintf(t, "\t%v", c)
		}
		fmt.Fprintf(t, "\t%v\t%s\t\n", l.Crash, inSeconds(l.First))
	}
	return t.Flush()
}

func lineOf(r record.Prove) line { return line{r.Victim, r.Writer()} }

// axes lists the columns and the rows of the matrix: rows by victim, as they
// came.
func axes(recs []record.Prove) (mutators []mutator.Kind, lines []line) {
	for _, s := range stages(recs) {
		for _, r := range recs {
			race := r.Scenario == string(Race)
			if stageOf(r) != s || !race && !crashed(r) {
				continue
			}
			if l := lineOf(r); !slices.Contains(lines, l) {
				lines = append(lines, l)
			}
			if race && !slices.Contains(mutators, r.Mutator) {
				mutators = append(mutators, r.Mutator)
			}
		}
	}
	slices.Sort(mutators)
	return mutators, lines
}

func earlier(first *float64, r record.Prove) *float64 {
	if r.FirstFailure == nil || first != nil && *first <= *r.FirstFailure {
		return first
	}
	return r.FirstFailure
}

func inSeconds(s *float64) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", *s)
}

// Cell adds up what one place of the matrix shows.
type Cell struct {
	Writes  int
	Layer   int  // of these, failed by the layer's own account
	Silent  int  // torn, and the layer stands by them
	Refused bool // the strategy refused changed writes
	Broken  bool // a promise was
	// Unpromised: a write of these may be torn.
	Unpromised bool
}

func (c *Cell) add(r record.Prove) {
	c.Writes += r.Writes
	c.Layer += Failed(r)
	c.Silent += silent(r)
	c.Refused = c.Refused || r.Refused > 0
	c.Broken = c.Broken || promised(r) && r.Torn > 0
	c.Unpromised = c.Unpromised || !promised(r)
}

// String is as the Legend says; nothing where nothing was tried.
func (c Cell) String() string {
	if c.Writes == 0 {
		return ""
	}
	mark, counts, tail := "", "", ""
	switch {
	case c.Broken:
		mark = "!"
	case c.Layer+c.Silent > 0:
		mark = "*"
	}
	if c.Layer > 0 {
		counts += fmt.Sprintf("%de", c.Layer)
	}
	if c.Silent > 0 {
		counts += fmt.Sprintf("%dt", c.Silent)
	}
	if counts == "" {
		counts = "0"
	}
	if c.Refused {
		tail = "r"
	}
	return fmt.Sprintf("%s%s/%d%s", mark, counts, c.Writes, tail)
}

func notesOf(s stage, recs []record.Prove) (notes []string) {
	recs = slices.DeleteFunc(slices.Clone(recs), func(r record.Prove) bool { return stageOf(r) != s })
	for _, note := range []func([]record.Prove) string{boundNote, writtenNote, sameBaseNote, faultNote, evidenceNote} {
		if text := note(recs); text != "" {
			notes = append(notes, s.victim+": "+text)
		}
	}
	return notes
}

// boundNote bounds the rate at which promises are broken, by those races in whose
// way, gated or free, plain writes did fail.
func boundNote(recs []record.Prove) string {
	fails := map[bool]bool{} // by Gate
	for _, r := range recs {
		if r.Scenario == string(Race) && r.Strategy == stablewrite.Raw {
			fails[r.Gate] = fails[r.Gate] || Failed(r)+silent(r) > 0
		}
	}
	var kept tally
	for _, r := range recs {
		if r.Scenario == string(Race) && r.Mutator != mutator.None && promised(r) && fails[r.Gate] {
			kept.add(r.Overlapped, r.Torn)
		}
	}
	switch {
	case kept.n == 0:
		return ""
	case kept.failed == 0:
		return fmt.Sprintf("0 of %d changed writes torn where none may be, so below %s", kept.n, repro.Bound(kept.n))
	}
	return fmt.Sprintf("%d of %d changed writes torn where none may be", kept.failed, kept.n)
}

func writtenNote(recs []record.Prove) string {
	for _, r := range recs {
		switch {
		case r.Scenario != string(Race) || !Copied(r.Written):
		case r.WrittenBy == "":
			return fmt.Sprintf("writes are assumed to be %v here, and were not shown to be", r.Written)
		case r.Written == stablewrite.DirectNo:
			return "no change in flight reached the media: this kernel writes through the page cache whatever is asked, and 0 says nothing of the fix"
		default:
			return "no change in flight reached the media: this kernel bounces, it copies and writes the copy directly, and 0 says nothing of the fix"
		}
	}
	return ""
}

func sameBaseNote(recs []record.Prove) string {
	for _, r := range recs {
		switch {
		case r.Scenario != string(SameBase):
		case r.ReadErrors > 0:
			return fmt.Sprintf("%d of %d reads of two blocks into one place fail, with nothing wrong on the media", r.ReadErrors, r.Writes)
		case r.Needs:
			return fmt.Sprintf("0 of %d reads of two blocks into one place fail", r.Writes)
		}
	}
	return ""
}

func faultNote(recs []record.Prove) string {
	var told tally
	healed, wrong := 0, 0
	for _, r := range recs {
		if r.Scenario != string(Faults) {
			continue
		}
		told.add(r.Writes, r.WriteErrors)
		wrong += r.Torn
		if r.Mutator == mutator.None { // else it is the mutator's doing
			healed += r.Resubmitted
		}
	}
	if told.n == 0 {
		return ""
	}
	return fmt.Sprintf("with writes failing below, of %d writes %d returned an error and %d were healed by resubmission; %d places are not what the writer was told",
		told.n, told.failed, healed, wrong)
}

func evidenceNote(recs []record.Prove) string {
	for _, r := range recs {
		if r.Scenario == string(Race) && len(r.Evidence) > 0 {
			return "the kernel's log: " + r.Evidence[0]
		}
	}
	return ""
}

// Wrap breaks text into lines of at most 98 columns, and keeps the space it
// begins with.
func Wrap(text string) string {
	const width = 98
	margin := text[:len(text)-len(strings.TrimLeft(text, " "))]
	var b strings.Builder
	b.WriteString(margin)
	column := len(margin)
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteString("\n  " + margin)
			column = 2 + len(margin)
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
