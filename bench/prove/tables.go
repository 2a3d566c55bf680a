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

const legend = `Writes that failed, of writes; free-running and gated ones together.
  e  the layer says so: a read fails, a write is refused, or legs differ
  t  the media are not what the receipt says, and the layer stands by them (not counted for raw
     against a mutator that runs free, which may come before the submission)
  r  the strategy refused changed writes
  *  no promise covers it    !  a broken promise
crash: writes cut short, and commits, after which a power cut leaves something unreadable, or not
the same on every leg.
first: seconds until the first e, on a control until the first t.`

// WriteReport writes the matrix of recs as text of at most 100 columns, and what
// else was found.
func WriteReport(out io.Writer, recs []record.Prove) error {
	if len(recs) == 0 {
		_, err := fmt.Fprintln(out, "No Records.")
		return err
	}
	if _, lines := axes(recs); len(lines) > 0 {
		fmt.Fprintln(out, legend)
	}
	for _, k := range kernels(recs) {
		of := slices.DeleteFunc(slices.Clone(recs), func(r record.Prove) bool { return r.Kernel != k })
		fmt.Fprintf(out, "\nLinux %s in QEMU (%s)\n\n", k, of[0].Accel)
		if err := writeMatrix(out, of); err != nil {
			return err
		}
		writeNotes(out, of)
	}
	return nil
}

func kernels(recs []record.Prove) (all []string) {
	for _, r := range recs {
		if !slices.Contains(all, r.Kernel) {
			all = append(all, r.Kernel)
		}
	}
	return all
}

// line is one row of the matrix.
type line struct{ victim, writer string }

// nameWidth has room for the longest name: a column that is not aligned to the
// right.
const nameWidth = len("  verify by crc32c")

func writeMatrix(out io.Writer, recs []record.Prove) error {
	mutators, lines := axes(recs)
	if len(lines) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 1, ' ', tabwriter.AlignRight)
	for _, m := range mutators {
		fmt.Fprintf(t, "\t%v", m)
	}
	fmt.Fprintln(t, "\tcrash\tfirst\t")
	victim := ""
	for _, l := range lines {
		if l.victim != victim {
			victim = l.victim
			fmt.Fprintf(t, "%-*s%s\n", nameWidth, victim, strings.Repeat("\t", len(mutators)+3))
		}
		fmt.Fprintf(t, "%-*s", nameWidth, "  "+l.writer)
		var first *float64
		for _, m := range mutators {
			var c cell
			for _, r := range recs {
				if r.Scenario == string(Race) && r.Mutator == m && lineOf(r) == l {
					c.add(r)
					first = earlier(first, r)
				}
			}
			fmt.Fprintf(t, "\t%v", c)
		}
		var c cell
		for _, r := range recs {
			if crashed(r) && lineOf(r) == l {
				c.add(r)
			}
		}
		fmt.Fprintf(t, "\t%v\t%s\t\n", c, inSeconds(first))
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

// cell adds up what one place of the matrix shows.
type cell struct {
	writes, layer, silent int
	refused, broken       bool
}

func (c *cell) add(r record.Prove) {
	c.writes += r.Writes
	c.layer += layer(r)
	c.silent += silent(r)
	c.refused = c.refused || r.Refused > 0
	c.broken = c.broken || promised(r) && r.Torn > 0
}

func (c cell) String() string {
	if c.writes == 0 {
		return ""
	}
	mark, counts, tail := "", "", ""
	switch {
	case c.broken:
		mark = "!"
	case c.layer+c.silent > 0:
		mark = "*"
	}
	if c.layer > 0 {
		counts += fmt.Sprintf("%de", c.layer)
	}
	if c.silent > 0 {
		counts += fmt.Sprintf("%dt", c.silent)
	}
	if counts == "" {
		counts = "0"
	}
	if c.refused {
		tail = "r"
	}
	return fmt.Sprintf("%s%s/%d%s", mark, counts, c.writes, tail)
}

// writeNotes writes what the matrix has no room for.
func writeNotes(out io.Writer, recs []record.Prove) {
	var notes []string
	for _, s := range stages(recs) {
		notes = append(notes, notesOf(s, recs)...)
	}
	if len(notes) > 0 {
		fmt.Fprintln(out)
	}
	for _, n := range notes {
		fmt.Fprintln(out, wrap(n))
	}
}

func notesOf(s stage, recs []record.Prove) (notes []string) {
	recs = slices.DeleteFunc(slices.Clone(recs), func(r record.Prove) bool { return stageOf(r) != s })
	for _, note := range []func([]record.Prove) string{boundNote, directNote, sameBaseNote, faultNote, evidenceNote} {
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
			fails[r.Gate] = fails[r.Gate] || layer(r)+silent(r) > 0
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

func directNote(recs []record.Prove) string {
	for _, r := range recs {
		if r.Scenario == string(Race) && r.Direct == stablewrite.DirectNo {
			return "no change in flight reached the media: this kernel writes through the page cache whatever is asked, and 0 says nothing of the fix"
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

// wrap breaks text into lines of at most 98 columns.
func wrap(text string) string {
	const width = 98
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteString("\n  ")
			column = 2
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
