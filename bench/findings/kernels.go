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
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// kernelSections say which stacks are open under which kernel, and have a table of
// each kernel.
func kernelSections(recs []record.Prove) (all []Section) {
	kernels := kernels(recs)
	if len(kernels) == 0 {
		return nil
	}
	first := Section{Title: "Inside stock kernels"}
	var raced bool
	for _, k := range kernels {
		if text := k.sentence(); text != "" {
			first.Text = append(first.Text, text)
		}
		s := k.section()
		raced = raced || len(s.Tables) > 0
		all = append(all, s)
	}
	for _, k := range kernels {
		if text := k.programSentence(); text != "" {
			first.Text = append(first.Text, text)
		}
	}
	if text := receipts(kernels); text != "" {
		first.Text = append(first.Text, text)
	}
	if len(all) > 1 {
		first.Tables = some(matrix(kernels))
	}
	first.Tables = append(first.Tables, some(programTable(kernels))...)
	if raced {
		first.Notes = []string{
			"Writes that failed, of writes; free-running and gated ones together.",
			"e: the layer says so: a read fails, a write is refused, or legs differ.",
			"t: the media are not what the receipt says, and the layer stands by them (not counted for raw against a mutator that runs free, which may come before the submission).",
			marks,
			"crash: writes cut short, and commits, after which a power cut leaves something unreadable, or not the same on every leg.",
			"first: seconds until the first e, on a control and where the kernel copies until the first t.",
		}
	}
	return slices.Insert(all, 0, first)
}

// sentence says what raw writes came to under k, on the layers that need stable pages.
func (k kernel) sentence() string {
	var bounces, cached, open, rest []string
	var bounced, buffered int // changed writes
	for _, s := range k {
		found := s.shown()
		switch {
		case !found.needs || found.changed.n == 0:
		case found.state == probe.Open:
			open = append(open, fmt.Sprintf("%s (%d of %d)", s.victim(), found.raw.failed, found.changed.n))
		case found.state != probe.Closed:
			rest = append(rest, s.victim())
		case found.written == stablewrite.DirectBounced:
			bounces, bounced = append(bounces, s.victim()), bounced+found.changed.n
		default:
			cached, buffered = append(cached, s.victim()), buffered+found.changed.n
		}
	}
	var said []string
	if bounces != nil {
		said = append(said, fmt.Sprintf("it bounces direct writes to %s, and of %d whose buffers changed none failed", series(bounces), bounced))
	}
	if cached != nil {
		said = append(said, fmt.Sprintf("it takes direct writes to %s through the page cache, and of %d whose buffers changed none failed", series(cached), buffered))
	}
	if open != nil {
		said = append(said, "the device reads the caller's memory on "+series(open)+": so many of the changed writes were refused, cannot be read back, or left mirrors different")
	}
	if rest != nil {
		said = append(said, "nothing was shown on "+series(rest))
	}
	if said == nil {
		return ""
	}
	return "Linux " + k.short() + ": " + strings.Join(said, "; ") + "."
}

// receipts says how a kernel that copies treats receipts, over all kernels; "" if none
// of them copies, or no receipt was false.
func receipts(all []kernel) string {
	var sum trials
	var where []string
	for _, k := range all {
		for _, s := range k {
			if found := s.shown(); found.state == probe.Closed && found.receipts.failed > 0 {
				sum.add(found.receipts.n, found.receipts.failed)
				where = append(where, s.victim()+" on "+k.short())
			}
		}
	}
	if sum.failed == 0 {
		return ""
	}
	return fmt.Sprintf("A kernel that copies mends the media, not a program's receipts: of writes by verify whose buffer was changed and changed back, %d of %d receipts are not true of the media (%s).",
		sum.failed, sum.n, series(where))
}

// addProof adds r.
func (o *outcome) addProof(r record.Prove) {
	o.add(r.Repro, prove.Silent(r), prove.Failed(r), promised(r))
}

// matrix has, for each victim and kernel, how the kernel writes there, and what became
// of writes by raw, verify and bounce.
func matrix(all []kernel) Table {
	t := Table{Title: "Open or closed: writes that failed, of all, whoever changed the buffer, gated or free", Head: []string{""}}
	all = all[:min(len(all), mostColumns)]
	for _, k := range all {
		t.Head = append(t.Head, k.short())
	}
	for _, same := range parted(slices.Concat(all...), stage.victim) {
		victim := same[0].victim()
		of := func(k kernel) stage { // nil: there is none
			if i := slices.IndexFunc(k, func(s stage) bool { return s.victim() == victim }); i >= 0 {
				return k[i]
			}
			return nil
		}
		rows := []Row{{Name: victim, Group: true}}
		for _, name := range []string{raw, verify, bounce} {
			row, tried := Row{Name: name}, false
			for _, k := range all {
				cell := of(k).cell(name)
				row.Cells, tried = append(row.Cells, cell), tried || cell.Text != ""
			}
			if tried {
				rows = append(rows, row)
			}
		}
		for i, name := range []string{"program", "under run"} {
			row, tried := Row{Name: name}, false
			for _, k := range all {
				cell := of(k).programCell(i == 1)
				row.Cells, tried = append(row.Cells, cell), tried || cell.Text != ""
			}
			if tried {
				rows = append(rows, row)
			}
		}
		for _, k := range all {
			text := ""
			if found := of(k).shown(); found.changed.n > 0 {
				text = found.written.String()
			}
			rows[0].Cells = append(rows[0].Cells, Cell{Text: text})
		}
		if len(rows) > 1 {
			t.Rows = append(t.Rows, rows...)
		}
	}
	return t
}

// cell says whether s is open to what became of a strategy's writes.
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

// section has a row for each writer on each stage of k.
func (k kernel) section() Section {
	head := k[0][0]
	s := Section{Title: fmt.Sprintf("Linux %s in QEMU (%s)", k.release(), head.Accel)}
	if head.Origin != "" {
		s.Title += ", Debian's " + head.Origin
	}
	var columns []mutator.Kind
	for _, stage := range k {
		for _, r := range stage {
			if r.Scenario == record.Race && !slices.Contains(columns, r.Mutator) {
				columns = append(columns, r.Mutator)
			}
		}
		s.Notes = append(s.Notes, stage.notes()...)
	}
	slices.Sort(columns)
	t := Table{Head: []string{""}}
	for _, c := range columns {
		t.Head = append(t.Head, c.String())
	}
	t.Head = append(t.Head, "crash", "first")
	for _, stage := range k {
		if rows := stage.rows(columns); len(rows) > 0 {
			t.Rows = append(append(t.Rows, Row{Name: stage.victim(), Group: true}), rows...)
		}
	}
	s.Tables = some(t)
	return s
}

// rows has one of each writer that raced or crashed on s.
func (s stage) rows(columns []mutator.Kind) (all []Row) {
	for _, recs := range parted(s, func(r record.Prove) string { return r.Writer() }) {
		sums, first, tried := make([]outcome, len(columns)+1), math.Inf(1), false
		for _, r := range recs {
			column := len(columns)
			switch {
			case r.Scenario == record.Race:
				column = slices.Index(columns, r.Mutator)
				if r.FirstFailure != nil {
					first = min(first, *r.FirstFailure)
				}
			case !crashed(r):
				continue
			}
			tried = true
			sums[column].addProof(r)
		}
		last := Cell{Text: "-"}
		if !math.IsInf(first, 0) {
			last.Text = fmt.Sprintf("%.2f", first)
		}
		if tried {
			all = append(all, Row{Name: recs[0].Writer(), Cells: append(outcomes(sums, "t"), last)})
		}
	}
	return all
}

// notes say of s what rows have no room for.
func (s stage) notes() (said []string) {
	say := func(format string, args ...any) { said = append(said, s.victim()+": "+fmt.Sprintf(format, args...)) }
	fails := map[bool]bool{} // whether plain writes fail, by Gate
	for _, r := range s {
		if r.Scenario == record.Race && r.Strategy == stablewrite.Raw {
			fails[r.Gate] = fails[r.Gate] || prove.Failed(r)+prove.Silent(r) > 0
		}
	}
	var kept, told trials // changed writes none of which may be torn; writes while some fail below
	healed, wrong := 0, 0
	var written, read, log *record.Prove
	for i := range s {
		switch r := &s[i]; r.Scenario {
		case record.Race:
			if r.Mutator != mutator.None && promised(*r) && fails[r.Gate] {
				kept.add(r.Overlapped, r.Torn)
			}
			if written == nil && prove.Copied(r.Written) {
				written = r
			}
			if log == nil && len(r.Evidence) > 0 {
				log = r
			}
		case record.SameBase:
			if read == nil && (r.Needs || r.ReadErrors > 0) {
				read = r
			}
		case record.Faults:
			told.add(r.Writes, r.WriteErrors)
			wrong += r.Torn
			if r.Mutator == mutator.None { // else it is the mutator's doing
				healed += r.Resubmitted
			}
		}
	}
	switch {
	case kept.failed > 0:
		say("%d of %d changed writes torn where none may be", kept.failed, kept.n)
	case kept.n > 0:
		say("0 of %d changed writes torn where none may be, so below %s", kept.n, repro.Bound(kept.n))
	}
	switch {
	case written == nil:
	case written.WrittenBy == "":
		say("writes are assumed to be %v here, and were not shown to be", written.Written)
	case written.Written == stablewrite.DirectNo:
		say("no change in flight reached the media: this kernel writes through the page cache whatever is asked, and 0 says nothing of the fix")
	default:
		say("no change in flight reached the media: this kernel bounces, it copies and writes the copy directly, and 0 says nothing of the fix")
	}
	switch {
	case read == nil:
	case read.ReadErrors > 0:
		say("%d of %d reads of two blocks into one place fail, with nothing wrong on the media", read.ReadErrors, read.Writes)
	default:
		say("0 of %d reads of two blocks into one place fail", read.Writes)
	}
	if told.n > 0 {
		say("with writes failing below, of %d writes %d returned an error and %d were healed by resubmission; %d places are not what the writer was told", told.n, told.failed, healed, wrong)
	}
	if log != nil {
		say("the kernel's log: %s", log.Evidence[0])
	}
	return said
}
