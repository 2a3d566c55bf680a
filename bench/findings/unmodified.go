package findings

import (
	"cmp"
	"fmt"
	"strings"

	"stablepages/bench/probe"
	"stablepages/bench/prove"
	"stablepages/bench/record"
)

// ran is an unmodified program that ran on a stage, plain or under the command run.
type ran struct {
	blocks  share // 4 KiB blocks that it wrote; k cannot be read, or differ between legs
	failure string
	watched record.Watched
}

// ran adds up the runs on s of the programs for which so holds.
func (s stage) ran(guarded bool, so func(program string) bool) (sum ran) {
	for _, r := range s {
		if r.Scenario != record.Unmodified || r.Guarded != guarded || !so(r.Program) {
			continue
		}
		sum.blocks.add(r.ReadErrors+r.Diverged, r.Writes)
		sum.failure = cmp.Or(sum.failure, r.Failure)
		if w := r.Watched; w != nil {
			sum.watched.Writes += w.Writes
			sum.watched.Changed += w.Changed
			sum.watched.Comm = cmp.Or(w.Comm, sum.watched.Comm)
		}
	}
	return sum
}

// failed reports whether the program, or a reader of its blocks, met an error.
func (r ran) failed() bool { return r.blocks.k > 0 || r.failure != "" }

// String is "12/2048", "failed", or "" if it did not run. A program whose write is
// refused fails, and leaves no unreadable block.
func (r ran) String() string {
	switch {
	case r.blocks.n == 0 && r.failure == "":
		return ""
	case r.blocks.k == 0 && r.failure != "":
		return "failed"
	}
	return fmt.Sprintf("%d/%d", r.blocks.k, r.blocks.n)
}

// programRun is an unmodified program on a stage.
type programRun struct {
	name           string
	changes        bool // it changes what it writes
	plain, guarded ran
}

// changes reports whether a program changes what it writes. An unknown one may.
func changes(program string) bool {
	p, err := prove.ProgramNamed(program)
	return err != nil || p.Changes
}

// programs are the unmodified programs on s, in order of appearance.
func (s stage) programs() (all []programRun) {
	for _, recs := range parted(s, func(r record.Prove) string { return r.Program }) {
		name := recs[0].Program
		this := func(program string) bool { return program == name }
		run := programRun{name, changes(name), s.ran(false, this), s.ran(true, this)}
		if run.plain.String()+run.guarded.String() != "" {
			all = append(all, run)
		}
	}
	return all
}

// programCell adds up the programs on s that change what they write.
func (s stage) programCell(guarded bool) Cell {
	sum := s.ran(guarded, changes)
	state, mark := probe.NotShown, Plain
	switch {
	case sum.String() == "":
		return Cell{}
	case sum.failed():
		state, mark = probe.Open, Hole
	case guarded || s.shown().state == probe.Closed:
		state, mark = probe.Closed, Kept
	}
	return Cell{state.String() + " " + sum.String(), mark}
}

func programTable(all []kernel) Table {
	t := Table{
		Title: "Unmodified programs: 4 KiB blocks that cannot be read back or differ between legs, of all that they wrote; failed: a write was refused. changed: direct writes of the plain program that watch saw change in flight",
		Head:  []string{"", "Linux", "plain", "changed", "under run"},
	}
	for _, k := range all {
		for _, s := range k {
			for _, p := range s.programs() {
				changed := "-"
				if w := p.plain.watched; w.Writes > 0 {
					changed = fmt.Sprintf("%d/%d", w.Changed, w.Writes)
				}
				t.add(p.name+" on "+s.victim(), k.short(), p.plain.String(), changed, p.guarded.String())
			}
		}
	}
	return t
}

// programSentence says which unmodified programs failed under k, and what became of
// them under run; "" if none failed.
func (k kernel) programSentence() string {
	var watched []string
	var guarded share
	var failed []said
	var by []record.Watched
	for _, s := range k {
		for _, p := range s.programs() {
			if p.plain.failed() {
				failed = append(failed, said{s.victim(), p.name})
				guarded.add(p.guarded.blocks.k, p.guarded.blocks.n)
				by = append(by, p.plain.watched)
			}
		}
	}
	if failed == nil {
		return ""
	}
	for _, same := range parted(by, func(w record.Watched) string { return w.Comm }) {
		var sum share
		for _, w := range same {
			sum.add(int(w.Changed), int(w.Writes))
		}
		if sum.k > 0 {
			watched = append(watched, fmt.Sprintf("%v by %s", sum, same[0].Comm))
		}
	}
	text := fmt.Sprintf("Linux %s: writes by unmodified programs were refused, or left blocks that cannot be read back or differ between legs: %s. Under run %v blocks were bad.",
		k.short(), strings.Join(together(failed, "%[2]s on %[1]s"), "; "), guarded)
	if watched != nil {
		text += " Direct writes that watch saw change in flight: " + series(watched) + "."
	}
	return text
}

// program judges a Record of an unmodified program.
func (v *Verdict) program(r record.Prove) {
	who := fmt.Sprintf("%v, %s", stage{r}, r.Program)
	if r.Guarded {
		who += " under run"
	}
	bad, changes := share{r.ReadErrors + r.Diverged, r.Writes}, changes(r.Program)
	var watched record.Watched
	if r.Watched != nil {
		watched = *r.Watched
	}
	switch {
	case r.Guarded && bad.k > 0:
		say(&v.Broken, who, "%v blocks cannot be read, or differ between legs", bad)
	case r.Guarded && r.Failure != "":
		say(&v.Inconclusive, who, "it failed: %s", r.Failure)
	case r.Guarded && watched.Writes > 0:
		say(&v.Inconclusive, who, "%d writes were direct", watched.Writes)
	case !r.Guarded && !changes && (bad.k > 0 || r.Failure != ""):
		say(&v.Inconclusive, who, "it changes nothing, but %v blocks are bad, and it says %q", bad, r.Failure)
	case !changes && watched.Changed > 0:
		say(&v.Inconclusive, who, "it changes nothing, but watch saw %d of %d writes change", watched.Changed, watched.Writes)
	}
}

// programs checks that programs that change what they write failed on a stage where raw
// writes do.
func (v *Verdict) programs(s stage) {
	if s.shown().state != probe.Open {
		return
	}
	for _, p := range s.programs() {
		if p.changes && p.plain.blocks.n > 0 && !p.plain.failed() {
			say(&v.Inconclusive, fmt.Sprintf("%v, %s", s, p.name), "%d blocks and no failure: the program was not shown to need stable pages", p.plain.blocks.n)
		}
	}
}
