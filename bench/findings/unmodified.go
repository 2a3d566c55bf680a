package findings

import (
	"fmt"

	"stablepages/bench/probe"
	"stablepages/bench/prove"
	"stablepages/bench/record"
)

// ran is an unmodified program that ran on a stage, plain or under the command run.
type ran struct {
	blocks  trials // that it wrote, of 4 KiB; failed: cannot be read, or are not the same on every leg
	failure string
	watched record.Watched
}

func (r *ran) add(rec record.Prove) {
	r.blocks.add(rec.Writes, rec.ReadErrors+rec.Diverged)
	if r.failure == "" {
		r.failure = rec.Failure
	}
	if w := rec.Watched; w != nil {
		r.watched.Writes += w.Writes
		r.watched.Changed += w.Changed
		if w.Comm != "" {
			r.watched.Comm = w.Comm
		}
	}
}

// failed reports whether the program, or a reader of its blocks, met an error.
func (r ran) failed() bool { return r.blocks.failed > 0 || r.failure != "" }

// String is "12/2048", "failed", or "" if it did not run. A program whose write is
// refused fails, and leaves nothing behind that cannot be read.
func (r ran) String() string {
	switch {
	case r.blocks.n == 0 && r.failure == "":
		return ""
	case r.blocks.failed == 0 && r.failure != "":
		return "failed"
	}
	return fmt.Sprintf("%d/%d", r.blocks.failed, r.blocks.n)
}

// cell is closed if nothing failed where the kernel is known to copy.
func (r ran) cell(copied bool) Cell {
	state, mark := probe.NotShown, Plain
	switch {
	case r.String() == "":
		return Cell{}
	case r.failed():
		state, mark = probe.Open, Hole
	case copied:
		state, mark = probe.Closed, Kept
	}
	return Cell{state.String() + " " + r.String(), mark}
}

// programRun is an unmodified program on a stage.
type programRun struct {
	name           string
	changes        bool // it changes what it writes; an unknown one may
	plain, guarded ran
}

// programs are those that ran on s, in order of appearance.
func (s stage) programs() (all []programRun) {
	for _, recs := range parted(s, func(r record.Prove) string { return r.Program }) {
		p, err := prove.ProgramNamed(recs[0].Program)
		run := programRun{name: recs[0].Program, changes: err != nil || p.Changes}
		for _, r := range recs {
			switch {
			case r.Scenario != record.Unmodified:
			case r.Guarded:
				run.guarded.add(r)
			default:
				run.plain.add(r)
			}
		}
		if run.plain.String()+run.guarded.String() != "" {
			all = append(all, run)
		}
	}
	return all
}

// programCell adds up the programs on s that change what they write.
func (s stage) programCell(guarded bool) Cell {
	var sum ran
	for _, r := range s {
		p, err := prove.ProgramNamed(r.Program)
		if r.Scenario == record.Unmodified && r.Guarded == guarded && (err != nil || p.Changes) {
			sum.add(r)
		}
	}
	return sum.cell(guarded || s.shown().state == probe.Closed)
}

// programTable shows unmodified programs, plain and under run.
func programTable(all []kernel) Table {
	t := Table{
		Title: "Unmodified programs: blocks of 4 KiB that cannot be read back, or are not the same on every leg, of those that they wrote; failed: a write was refused. changed: direct writes of the plain program that watch saw change in flight",
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
// them under run; "" if none did.
func (k kernel) programSentence() string {
	var plain, watched []string
	var guarded trials
	var by []record.Watched // by name
	for _, s := range k {
		for _, p := range s.programs() {
			if !p.plain.failed() {
				continue
			}
			plain = append(plain, fmt.Sprintf("%s on %s (%v)", p.name, s.victim(), p.plain))
			guarded.add(p.guarded.blocks.n, p.guarded.blocks.failed)
			by = append(by, p.plain.watched)
		}
	}
	if plain == nil {
		return ""
	}
	for _, same := range parted(by, func(w record.Watched) string { return w.Comm }) {
		var sum record.Watched
		for _, w := range same {
			sum.Writes, sum.Changed = sum.Writes+w.Writes, sum.Changed+w.Changed
		}
		if sum.Changed > 0 {
			watched = append(watched, fmt.Sprintf("%d of %d by %s", sum.Changed, sum.Writes, same[0].Comm))
		}
	}
	text := fmt.Sprintf("Linux %s: unmodified programs wrote blocks that cannot be read back, or are not the same on every leg, or their writes were refused: %s. Under run %d of %d blocks were bad.",
		k.short(), series(plain), guarded.failed, guarded.n)
	if watched != nil {
		text += " Direct writes that watch saw change in flight: " + series(watched) + "."
	}
	return text
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
	p, err := prove.ProgramNamed(r.Program)
	bad, changes := r.ReadErrors+r.Diverged, err != nil || p.Changes
	switch {
	case r.Guarded && bad > 0:
		say(&v.Broken, "%d of %d blocks cannot be read, or are not the same on every leg", bad, r.Writes)
	case r.Guarded && r.Failure != "":
		say(&v.Inconclusive, "it failed: %s", r.Failure)
	case r.Guarded && r.Watched != nil && r.Watched.Writes > 0:
		say(&v.Inconclusive, "%d writes were direct", r.Watched.Writes)
	case !r.Guarded && !changes && (bad > 0 || r.Failure != ""):
		say(&v.Inconclusive, "it changes nothing, and %d of %d blocks are bad, and it says %q", bad, r.Writes, r.Failure)
	case !changes && r.Watched != nil && r.Watched.Changed > 0:
		say(&v.Inconclusive, "it changes nothing, and watch saw %d of %d writes change", r.Watched.Changed, r.Watched.Writes)
	}
}

// programs asks whether programs that change what they write were seen to fail on a
// stage where raw writes do.
func (v *Verdict) programs(s stage) {
	if s.shown().state != probe.Open {
		return
	}
	for _, p := range s.programs() {
		if p.changes && p.plain.blocks.n > 0 && !p.plain.failed() {
			v.Inconclusive = append(v.Inconclusive, fmt.Sprintf("Linux %s, %s, %s: %d blocks and no failure: the program was not shown to need stable pages", s[0].Kernel, s.victim(), p.name, p.plain.blocks.n))
		}
	}
}
