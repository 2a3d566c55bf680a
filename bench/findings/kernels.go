package findings

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"stablepages/bench/mutator"
	"stablepages/bench/probe"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// kernelSections say which stacks are open under which kernel, and have a table for
// each kernel.
func kernelSections(recs []record.Prove) (all []Section) {
	kernels := kernels(recs)
	if len(kernels) == 0 {
		return nil
	}
	first := Section{Title: "Inside stock kernels"}
	said := slices.Concat(each(kernels, kernel.sentence), each(kernels, kernel.programSentence), []string{receipts(kernels)})
	first.Text = which(said, func(text string) bool { return text != "" })
	all = each(kernels, kernel.section)
	if len(all) > 1 {
		first.Tables = some(matrix(kernels))
	}
	first.Tables = append(first.Tables, some(programTable(kernels))...)
	if slices.ContainsFunc(all, func(s Section) bool { return len(s.Tables) > 0 }) {
		first.Notes = []string{
			"e: a read fails, a write is refused, or the legs of a mirror differ (which only this program sees: it reads the legs).",
			"t: the media differ from the receipt, and nothing else shows it (not counted for raw against a free-running mutator, which may change the buffer before the submission).",
			marks,
			"crash: writes cut short, and commits, after which a power cut leaves unreadable blocks, or legs that differ.",
			"first: seconds until the first e; on a control, and where the kernel copies, until the first t.",
		}
	}
	return slices.Insert(all, 0, first)
}

// sentence says what became of raw writes under k, on the layers that need stable pages.
func (k kernel) sentence() string {
	const bounced, cached, open, rest = 0, 1, 2, 3
	var victims [4][]string
	var changed [4]int // writes
	for _, s := range k {
		found, name, way := s.shown(), s.victim(), cached
		switch {
		case !found.needs || found.changed.n == 0:
			continue
		case found.state == probe.Open:
			name, way = fmt.Sprintf("%s (%v)", name, found.changed), open
		case found.state != probe.Closed:
			way = rest
		case found.written == stablewrite.DirectBounced:
			way = bounced
		}
		victims[way], changed[way] = append(victims[way], name), changed[way]+found.changed.n
	}
	var said []string
	for way, format := range [...]string{
		bounced: "it bounces direct writes to %[1]s, and none of %[2]d changed writes failed",
		cached:  "it sends direct writes to %[1]s through the page cache, and none of %[2]d changed writes failed",
		open:    "the device reads the caller's memory, so changed writes were refused, cannot be read back, or left mirrors different: %[1]s",
		rest:    "nothing was shown on %[1]s",
	} {
		if victims[way] != nil {
			said = append(said, fmt.Sprintf(format, series(victims[way]), changed[way]))
		}
	}
	if said == nil {
		return ""
	}
	return "Linux " + k.short() + ": " + strings.Join(said, "; ") + "."
}

// receipts tells the count of false receipts under all kernels that copy; "" if it is 0.
func receipts(all []kernel) string {
	var sum share
	var where []string
	for _, k := range all {
		for _, s := range k {
			if found := s.shown(); found.state == probe.Closed && found.receipts.k > 0 {
				sum.add(found.receipts.k, found.receipts.n)
				where = append(where, s.victim()+" on "+k.short())
			}
		}
	}
	if sum.k == 0 {
		return ""
	}
	return fmt.Sprintf("A kernel that copies keeps the media readable, but does not make a program's receipts true: %v receipts of verify for changed and restored buffers differ from the media (%s).",
		sum, series(where))
}

func (o *outcome) addProof(r record.Prove) {
	o.add(r.Repro, prove.Silent(r), prove.Failed(r), promised(r))
}

// matrix has, for each victim and kernel, how the kernel writes there, and what became
// of writes by raw, verify, bounce and unmodified programs.
func matrix(all []kernel) Table {
	all = all[:min(len(all), mostColumns)]
	t := Table{
		Title: "Open or closed: writes that failed (e), or whose receipt is false (t), of all writes, by any mutator, gated or free",
		Head:  append([]string{""}, each(all, kernel.short)...),
	}
	for _, same := range parted(slices.Concat(all...), stage.victim) {
		victim := same[0].victim()
		stages := each(all, func(k kernel) stage { // nil under a kernel without the victim
			return slices.Concat(which(k, func(s stage) bool { return s.victim() == victim })...)
		})
		row := func(name string, cell func(stage) Cell) Row { return Row{Name: name, Cells: each(stages, cell)} }
		rows := which([]Row{
			row(raw, func(s stage) Cell { return s.cell(raw) }),
			row(verify, func(s stage) Cell { return s.cell(verify) }),
			row(bounce, func(s stage) Cell { return s.cell(bounce) }),
			row("program", func(s stage) Cell { return s.programCell(false) }),
			row("under run", func(s stage) Cell { return s.programCell(true) }),
		}, func(r Row) bool { return slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.Text != "" }) })
		if len(rows) > 0 {
			head := row(victim, func(s stage) Cell {
				if found := s.shown(); found.changed.n > 0 {
					return Cell{Text: found.written.String()}
				}
				return Cell{}
			})
			head.Group = true
			t.Rows = append(append(t.Rows, head), rows...)
		}
	}
	return t
}

// cell says whether s is open, from what became of a strategy's writes.
func (s stage) cell(strategy string) Cell {
	var o outcome
	for _, r := range s {
		if r.Scenario == record.Race && r.Strategy.String() == strategy && r.Detect == stablewrite.ByDigest && r.Mutator != mutator.None {
			o.addProof(r)
		}
	}
	state, mark := probe.Closed, Kept
	switch {
	case o.writes == 0:
		return Cell{}
	case o.layer+o.torn > 0:
		state, mark = probe.Open, Hole
	case strategy == raw && s.shown().state != probe.Closed:
		state, mark = probe.NotShown, Plain
	}
	return Cell{state.String() + " " + o.counts("t"), mark}
}

func (k kernel) section() Section {
	head := k[0][0]
	s := Section{Title: fmt.Sprintf("Linux %s in QEMU (%s)", k.release(), head.Accel)}
	if head.Origin != "" {
		s.Title += ", Debian's " + head.Origin
	}
	columns := which(mutator.Kinds(), func(m mutator.Kind) bool {
		return slices.ContainsFunc(slices.Concat(k...), func(r record.Prove) bool { return r.Scenario == record.Race && r.Mutator == m })
	})
	var covered []string
	var notes []said
	for _, stage := range k {
		if kept := stage.covered(); kept.n > 0 {
			covered = append(covered, fmt.Sprintf("%s %v", stage.victim(), kept))
		}
		for _, text := range stage.notes() {
			notes = append(notes, said{stage.victim(), text})
		}
	}
	if covered != nil {
		s.Notes = append(s.Notes, "Torn, of the changed writes that a promise covers: "+series(covered)+". 0 of n bounds the rate below 3/n (95%).")
	}
	s.Notes = append(s.Notes, together(notes, "%s: %s")...)
	t := Table{Head: slices.Concat([]string{""}, each(columns, mutator.Kind.String), []string{"crash", "first"})}
	for _, stage := range k {
		if rows := stage.rows(columns); len(rows) > 0 {
			t.Rows = append(append(t.Rows, Row{Name: stage.victim(), Group: true}), rows...)
		}
	}
	s.Tables = some(t)
	return s
}

// rows has a row for each writer that raced or crashed on s.
func (s stage) rows(columns []mutator.Kind) (all []Row) {
	tried := which(s, func(r record.Prove) bool { return r.Scenario == record.Race || crashed(r) })
	for _, recs := range parted(tried, func(r record.Prove) string { return writerOf(r.Repro) }) {
		sums, first := make([]outcome, len(columns)+1), math.Inf(1)
		for _, r := range recs {
			column := len(columns)
			if r.Scenario == record.Race {
				column = slices.Index(columns, r.Mutator)
				if r.FirstFailure != nil {
					first = min(first, *r.FirstFailure)
				}
			}
			sums[column].addProof(r)
		}
		last := Cell{Text: "-"}
		if !math.IsInf(first, 0) {
			last.Text = fmt.Sprintf("%.2f", first)
		}
		cells := each(sums, func(o outcome) Cell { return o.cell("t") })
		all = append(all, Row{Name: writerOf(recs[0].Repro), Cells: append(cells, last)})
	}
	return all
}

// covered counts the torn among the changed writes that a promise covers, in races in
// which plain writes fail.
func (s stage) covered() (kept share) {
	fails := map[bool]bool{} // whether plain writes fail, by Gate
	for _, r := range s {
		if r.Scenario == record.Race && r.Strategy == stablewrite.Raw {
			fails[r.Gate] = fails[r.Gate] || prove.Failed(r)+prove.Silent(r) > 0
		}
	}
	for _, r := range s {
		if r.Scenario == record.Race && r.Mutator != mutator.None && promised(r) && fails[r.Gate] {
			kept.add(r.Torn, r.Overlapped)
		}
	}
	return kept
}

// notes say about s what has no place in its rows.
func (s stage) notes() (said []string) {
	note := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	var told share // errors, of writes with faults below
	healed, wrong := 0, 0
	for _, r := range s {
		if r.Scenario == record.Faults {
			told.add(r.WriteErrors, r.Writes)
			wrong += r.Torn
			if r.Mutator == mutator.None { // else the mutator causes resubmissions, too
				healed += r.Resubmitted
			}
		}
	}
	written := first(s, func(r record.Prove) bool { return r.Scenario == record.Race && prove.Copied(r.Written) })
	read := first(s, func(r record.Prove) bool { return r.Scenario == record.SameBase && (r.Needs || r.ReadErrors > 0) })
	log := first(s, func(r record.Prove) bool { return r.Scenario == record.Race && len(r.Evidence) > 0 })
	switch {
	case written == nil:
	case written.WrittenBy == "":
		note("writes are assumed to be %v here; no race showed it", written.Written)
	case written.Written == stablewrite.DirectNo:
		note("no change in flight reached the media: this kernel writes through the page cache in spite of O_DIRECT, and 0 says nothing about the fix")
	default:
		note("no change in flight reached the media: this kernel bounces (it copies, and writes the copy directly), and 0 says nothing about the fix")
	}
	switch {
	case read == nil:
	case read.ReadErrors > 0:
		note("%d of %d reads of two blocks into one place fail, with nothing wrong on the media", read.ReadErrors, read.Writes)
	default:
		note("0 of %d reads of two blocks into one place fail", read.Writes)
	}
	if told.n > 0 {
		note("faults below: of %d writes %d returned an error and %d were healed by resubmission; the media differ in %d places from what the writer was told", told.n, told.k, healed, wrong)
	}
	if log != nil {
		note("the kernel's log: %s", log.Evidence[0])
	}
	return said
}
