package prove

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"stablepages/bench/record"
)

// ProgramRow is what became of what an unmodified program wrote to a victim under a
// kernel, plain and under run.
type ProgramRow struct {
	Kernel, Victim, Program string
	Plain, Guarded          Ran
}

// Ran is a program that was run, one way or the other.
type Ran struct {
	Blocks  int // that it wrote, of 4 KiB
	Bad     int // of these, cannot be read, or are not the same on every leg
	Failure string
	Watched record.Watched
}

func (r *Ran) add(rec record.Prove) {
	r.Blocks += rec.Writes
	r.Bad += rec.ReadErrors + rec.Diverged
	if r.Failure == "" {
		r.Failure = rec.Failure
	}
	if w := rec.Watched; w != nil {
		r.Watched.Writes += w.Writes
		r.Watched.Changed += w.Changed
		r.Watched.Untraced += w.Untraced
		if w.Comm != "" {
			r.Watched.Comm = w.Comm
		}
	}
}

// failed reports whether the program, or what reads its blocks, met an error.
func (r Ran) failed() bool { return r.Bad > 0 || r.Failure != "" }

// String is "12/2048", "failed", or "" if it was not run. A program whose write is
// refused fails, and leaves nothing behind that cannot be read.
func (r Ran) String() string {
	switch {
	case r.Blocks == 0 && r.Failure == "":
		return ""
	case r.Bad == 0 && r.Failure != "":
		return "failed"
	}
	return fmt.Sprintf("%d/%d", r.Bad, r.Blocks)
}

// changed is how many of its direct writes were seen to change in flight.
func (r Ran) changed() string {
	if r.Watched.Writes == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", r.Watched.Changed, r.Watched.Writes)
}

// ProgramRows makes the rows of recs, in order of appearance.
func ProgramRows(recs []record.Prove) (rows []ProgramRow) {
	for _, r := range recs {
		if r.Scenario != string(Unmodified) {
			continue
		}
		i := slices.IndexFunc(rows, func(row ProgramRow) bool {
			return row.Kernel == r.Kernel && row.Victim == r.Victim && row.Program == r.Program
		})
		if i < 0 {
			i, rows = len(rows), append(rows, ProgramRow{Kernel: r.Kernel, Victim: r.Victim, Program: r.Program})
		}
		if r.Guarded {
			rows[i].Guarded.add(r)
		} else {
			rows[i].Plain.add(r)
		}
	}
	return rows
}

// changes reports whether a program changes what it writes. An unknown one may.
func changes(name string) bool {
	p, err := ProgramNamed(name)
	return err != nil || p.Changes
}

// programWriters are rows of a Matrix: programs that change what they write, plain
// and under run.
func programWriters(kernels []string, victim string, recs []record.Prove) (all []MatrixWriter) {
	plain, guarded := MatrixWriter{"program", make([]string, len(kernels))}, MatrixWriter{"under run", make([]string, len(kernels))}
	for i, k := range kernels {
		var sum ProgramRow
		for _, r := range recs {
			if r.Scenario != string(Unmodified) || stageOf(r) != (stage{k, victim}) || !changes(r.Program) {
				continue
			}
			if r.Guarded {
				sum.Guarded.add(r)
			} else {
				sum.Plain.add(r)
			}
		}
		plain.Cells[i] = programCell(sum.Plain, closedStage(k, victim, recs))
		guarded.Cells[i] = programCell(sum.Guarded, true)
	}
	for _, w := range []MatrixWriter{plain, guarded} {
		if slices.ContainsFunc(w.Cells, func(cell string) bool { return cell != "" }) {
			all = append(all, w)
		}
	}
	return all
}

func closedStage(kernel, victim string, recs []record.Prove) bool {
	return slices.ContainsFunc(standings(kernel, recs), func(s Standing) bool { return s.Victim == victim && s.State == Closed })
}

// programCell is closed if nothing failed where the kernel is known to copy.
func programCell(r Ran, copied bool) string {
	state := NotShown
	switch {
	case r.String() == "":
		return ""
	case r.failed():
		state = Open
	case copied:
		state = Closed
	}
	return state.String() + " " + r.String()
}

// programsLegend says what the table of programs shows.
const programsLegend = `Unmodified programs: blocks of 4 KiB that cannot be read back, or are not the same on every leg, of
those that they wrote; failed: a write was refused.
changed: direct writes of the plain program that watch saw change in flight.`

// writePrograms writes the rows of recs as text.
func writePrograms(out io.Writer, recs []record.Prove) error {
	rows := ProgramRows(recs)
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%s\n\n", programsLegend)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "program\ton\tLinux\tplain\tchanged\tunder run")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%v\t%s\t%v\n", r.Program, r.Victim, short(r.Kernel), r.Plain, r.Plain.changed(), r.Guarded)
	}
	return t.Flush()
}

// programFindings say for each kernel which unmodified programs failed, and what run
// made of that.
func programFindings(recs []record.Prove) (said []string) {
	for _, k := range kernels(recs) {
		var plain, watched []string
		var guarded tally
		var by []record.Watched // by name
		for _, r := range ProgramRows(recs) {
			if r.Kernel != k || !r.Plain.failed() {
				continue
			}
			name := r.Program + " on " + r.Victim
			plain = append(plain, fmt.Sprintf("%s (%v)", name, r.Plain))
			guarded.add(r.Guarded.Blocks, r.Guarded.Bad)
			w := r.Plain.Watched
			i := slices.IndexFunc(by, func(sum record.Watched) bool { return sum.Comm == w.Comm })
			if i < 0 {
				i, by = len(by), append(by, record.Watched{Comm: w.Comm})
			}
			by[i].Writes += w.Writes
			by[i].Changed += w.Changed
		}
		for _, w := range by {
			if w.Changed > 0 {
				watched = append(watched, fmt.Sprintf("%d of %d by %s", w.Changed, w.Writes, w.Comm))
			}
		}
		if plain == nil {
			continue
		}
		text := fmt.Sprintf("Linux %s: unmodified programs wrote blocks that cannot be read back, or are not the same on every leg, or their writes were refused: %s. Under run %d of %d blocks were bad.",
			short(k), series(plain), guarded.failed, guarded.n)
		if watched != nil {
			text += " Direct writes that watch saw change in flight: " + series(watched) + "."
		}
		said = append(said, text)
	}
	return said
}

// program judges a Record of an unmodified program.
func (v *Verdict) program(r record.Prove) {
	name := fmt.Sprintf("Linux %s, %s, %s", r.Kernel, r.Victim, r.Program)
	if r.Guarded {
		name += " under run"
	}
	say := func(to *[]string, format string, args ...any) {
		*to = append(*to, name+": "+fmt.Sprintf(format, args...))
	}
	bad := r.ReadErrors + r.Diverged
	switch {
	case r.Guarded && bad > 0:
		say(&v.Broken, "%d of %d blocks cannot be read, or are not the same on every leg", bad, r.Writes)
	case r.Guarded && r.Failure != "":
		say(&v.Inconclusive, "it failed: %s", r.Failure)
	case r.Guarded && r.Watched != nil && r.Watched.Writes > 0:
		say(&v.Inconclusive, "%d writes were direct", r.Watched.Writes)
	case !r.Guarded && !changes(r.Program) && (bad > 0 || r.Failure != ""):
		say(&v.Inconclusive, "it changes nothing, and %d of %d blocks are bad, and it says %q", bad, r.Writes, r.Failure)
	case !changes(r.Program) && r.Watched != nil && r.Watched.Changed > 0:
		say(&v.Inconclusive, "it changes nothing, and watch saw %d of %d writes change", r.Watched.Changed, r.Watched.Writes)
	}
}

// shownByPrograms asks whether programs that change what they write were seen to
// fail on a stage where raw writes are.
func (v *Verdict) shownByPrograms(s stage, recs []record.Prove) {
	open := slices.ContainsFunc(standings(s.kernel, recs), func(st Standing) bool { return st.Victim == s.victim && st.State == Open })
	for _, r := range ProgramRows(recs) {
		if open && (stage{r.Kernel, r.Victim}) == s && changes(r.Program) && r.Plain.Blocks > 0 && !r.Plain.failed() {
			v.Inconclusive = append(v.Inconclusive, fmt.Sprintf("Linux %s, %s, %s: %d blocks and no failure: the program was not shown to need stable pages", s.kernel, s.victim, r.Program, r.Plain.Blocks))
		}
	}
}
