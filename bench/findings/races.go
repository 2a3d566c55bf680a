package findings

import (
	"cmp"
	"fmt"
	"slices"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// Verdict says which promises of strategies Records break.
type Verdict struct {
	Broken       []string
	Inconclusive []string // what should have been shown, and was not
}

func (v *Verdict) add(w Verdict) {
	v.Broken = append(v.Broken, w.Broken...)
	v.Inconclusive = append(v.Inconclusive, w.Inconclusive...)
}

// say appends a sentence about who to lines.
func say(lines *[]string, who, format string, args ...any) {
	*lines = append(*lines, who+": "+fmt.Sprintf(format, args...))
}

// races has the conclusions from the races of one system.
type races struct {
	Verdict
	alike     []record.Repro
	gated     bool // standings, by writer, count gated races; if there are none, free-running ones
	standings map[string]standing
}

// standing adds up the races of one writer, by the kind of change.
type standing struct {
	name, about     string
	strategy        stablewrite.Strategy
	detect          stablewrite.Detection
	promise         stablewrite.Promise
	control         bool // raw through the page cache
	stays, restored tally
}

func (s standing) all() tally {
	sum := s.stays
	sum.share.add(s.restored.k, s.restored.n)
	sum.refused += s.restored.refused
	return sum
}

// tested reports whether there were races in which a promise excludes torn writes.
func (s standing) tested() bool {
	return s.promise.Changed && s.stays.tried() || s.promise.Restored && s.restored.tried()
}

// writers are the rows of standings: raw first, for comparison, and the negative control
// last.
func writers() (all []standing) {
	for _, s := range stablewrite.Strategies() {
		row := standing{name: s.String(), about: s.About(), strategy: s, promise: s.Promise()}
		if s == stablewrite.Raw {
			all = slices.Insert(all, 0, row)
			continue
		}
		all = append(all, row)
		if s == stablewrite.Verify {
			row.detect = stablewrite.ByTracking
			row.name, row.about, row.promise = row.detect.String(), "verify, which notices changes by page write-tracking", s.PromiseBy(row.detect)
			all = append(all, row)
		}
	}
	return append(all, standing{name: "page cache", about: "raw writes through the page cache: the negative control", strategy: stablewrite.Raw, control: true,
		promise: stablewrite.Promise{Changed: true, Restored: true}})
}

// timedAs maps standings to the names that their timings have, where these differ.
var timedAs = map[string]string{
	stablewrite.ByTracking.String(): record.Cost{Strategy: stablewrite.Verify, Variant: record.Tracked}.Writer(),
	"page cache":                    record.Cost{Strategy: stablewrite.Buffered, Variant: record.Unsummed}.Writer(),
}

// untracked reports whether r asked for tracking, and the kernel could not track the
// memory of all its writes. The others were compared by the digest.
func untracked(r record.Repro) bool {
	return r.Strategy.Detects() && r.Detect == stablewrite.ByTracking && r.Tracked < r.Writes
}

func writerOf(r record.Repro) string {
	if untracked(r) {
		return r.Strategy.String() + ", untracked"
	}
	return r.Writer()
}

func (s standing) counts(r record.Repro) bool {
	detect := r.Detect
	if untracked(r) {
		detect = stablewrite.ByDigest
	}
	return r.Strategy == s.strategy && r.Buffered == s.control && (detect == s.detect || !r.Strategy.Detects())
}

// judge compares races of one system with what strategies promise.
func judge(recs []record.Repro) (found races) {
	for _, r := range recs {
		found.judge(r)
		found.gated = found.gated || r.Gate
	}
	found.alike, found.standings = alike(recs), map[string]standing{}
	for _, s := range writers() {
		tried := false
		for _, r := range found.alike {
			if r.Mutator == mutator.None || r.Gate != found.gated || !s.counts(r) {
				continue
			}
			tried = true
			if r.Mutator.Restores() {
				s.restored.add(r, exposed(r))
			} else {
				s.stays.add(r, exposed(r))
			}
		}
		if s.name == raw && tried && s.all().k == 0 {
			found.Inconclusive = append(found.Inconclusive, fmt.Sprintf("raw: %v writes torn; the race does not happen here, so nothing shows that a strategy protects; try --dir on ext4 or xfs", s.all()))
		}
		if s.all().tried() {
			found.standings[s.name] = s
		}
	}
	return found
}

// judge compares r alone with what its strategy promises.
func (v *Verdict) judge(r record.Repro) {
	who := fmt.Sprintf("%s against %v", writerOf(r), r.Mutator)
	if r.Mutator != mutator.None && r.Overlapped == 0 {
		how := "was in flight"
		if !r.Gate {
			how = "overlapped a write"
		}
		say(&v.Inconclusive, who, "no change %s", how)
	}
	if failures := r.WriteErrors - r.Refused; failures > 0 && r.Strategy != stablewrite.Raw {
		say(&v.Inconclusive, who, "%d of %d writes failed", failures, r.Writes)
	}
	if repro.Promised(r) && r.Torn > 0 {
		say(&v.Broken, who, "%d of %d writes torn", r.Torn, r.Writes)
	}
}

// strategiesSection has a row for each strategy: what became of its writes, what it
// promises of crashes, and what it costs.
func strategiesSection(on System) Section {
	s := Section{Title: "Strategies"}
	rest := on.atRest()
	t := Table{Head: []string{"strategy"}}
	if len(on.Races) > 0 {
		t.Head = append(t.Head, "change stays", "change restored", "after a crash")
		how := "Torn writes, of writes changed in flight."
		if !on.races.gated {
			how = "Torn writes, of writes raced by a free-running mutator."
		}
		s.Notes = append(s.Notes, how+" Torn: the media differ from the receipt of the write, or cannot be read. 0 of n bounds the rate below 3/n (95%). After a crash: what the strategy promises, not tried here.")
	}
	if rest != nil {
		t.Head = append(t.Head, "throughput", "CPU, "+Size(rest.largest()))
		s.Notes = append(s.Notes, fmt.Sprintf("Throughput relative to raw, on %s with nothing changing: from the lowest to the highest median of all sizes and depths. CPU: s/GiB on top of raw, of writes of %s; in smaller ones noise hides it.", rest.where(), Size(rest.largest())))
	}
	tellsLittle := false
	for _, w := range writers() {
		raced, tried := on.races.standings[w.name]
		tellsLittle = tellsLittle || raced.stays.tellsLittle() || raced.restored.tellsLittle()
		var cost cost
		if rest != nil {
			cost = rest.cost(cmp.Or(timedAs[w.name], w.name))
		}
		if !tried && !cost.timed {
			continue
		}
		row := Row{Name: w.name, About: w.about}
		if len(on.Races) > 0 {
			crash := Cell{Text: "as any write"}
			if w.promise.CrashWindow {
				crash = Cell{"torn blocks", Hole}
			}
			row.Cells = append(row.Cells, raced.stays.cell(w.promise.Changed), raced.restored.cell(w.promise.Restored), crash)
		}
		if rest != nil {
			row.Cells = append(row.Cells, Texts(cost.throughput, cost.added)...)
		}
		t.Rows = append(t.Rows, row)
	}
	if tellsLittle {
		s.Notes = append(s.Notes, fmt.Sprintf("too few: 0 torn of fewer than %d writes says little.", few))
	}
	s.Tables = some(t)
	return s
}

// matrixSection has the torn writes by writer and mutator, of gated races or of
// free-running ones.
func matrixSection(on System, gated bool) Section {
	s := Section{Title: "Writers against mutators, every change in flight", Text: []string{
		"Torn writes of all writes. The mutator changed the buffer after the kernel accepted the submission and before its completion was reaped. " + marks,
	}}
	if !gated {
		s = Section{Title: "Writers against mutators that run free", Text: []string{"Torn writes of all writes. The mutator changed the buffer at any time, as in 2011. " + marks}}
	}
	alike := which(on.races.alike, func(r record.Repro) bool { return r.Gate == gated })
	columns := which(mutator.Kinds(), func(k mutator.Kind) bool {
		return slices.ContainsFunc(alike, func(r record.Repro) bool { return r.Mutator == k })
	})
	t := Table{Head: append([]string{""}, each(columns, mutator.Kind.String)...)}
	s.Notes = each(columns, func(k mutator.Kind) string { return k.String() + ": " + k.About() })
	for _, recs := range parted(alike, writerOf) {
		sums, asked := make([]outcome, len(columns)), share{}
		for _, r := range recs {
			sums[slices.Index(columns, r.Mutator)].add(r, r.Torn, 0, repro.Promised(r))
			asked.add(r.Writes-r.Tracked, r.Writes)
		}
		t.put(writerOf(recs[0]), each(sums, func(o outcome) Cell { return o.cell("") }))
		if untracked(recs[0]) {
			s.Notes = append(s.Notes, fmt.Sprintf("%s: tracking was asked for, but %v writes fell back to the digest, as verify uses it, because the kernel did not track their memory; it cannot track memory shared with another process.", writerOf(recs[0]), asked))
		}
	}
	if s.Tables = some(t); len(s.Tables) == 0 {
		return Section{}
	}
	return s
}

const marks = "* torn, and no promise covers it; ! a broken promise; r the strategy refused changed writes."

// outcome adds up what became of writes that raced.
type outcome struct {
	writes          int
	torn            int // inside a kernel: and the layer does not notice
	layer           int // inside a kernel: failed, by the layer's account
	refused, broken bool
	unpromised      bool // no promise covers some of these writes
}

func (o *outcome) add(r record.Repro, torn, layer int, promised bool) {
	o.writes += r.Writes
	o.torn += torn
	o.layer += layer
	o.refused = o.refused || r.Refused > 0
	o.broken = o.broken || promised && r.Torn > 0
	o.unpromised = o.unpromised || !promised
}

// counts is "3/100", or inside a kernel "2e3t/100": e for layer, t, the unit, for torn.
// It is empty if nothing was tried.
func (o outcome) counts(unit string) string {
	if o.writes == 0 {
		return ""
	}
	counts, tail := "", ""
	if o.layer > 0 {
		counts += fmt.Sprintf("%de", o.layer)
	}
	if o.torn > 0 {
		counts += fmt.Sprintf("%d%s", o.torn, unit)
	}
	if o.refused {
		tail = "r"
	}
	return fmt.Sprintf("%s/%d%s", cmp.Or(counts, "0"), o.writes, tail)
}

// cell is counts and their mark; * and ! are for readers who see no colours.
func (o outcome) cell(unit string) Cell {
	text := o.counts(unit)
	switch {
	case o.writes == 0:
		return Cell{}
	case o.broken:
		return Cell{"!" + text, Broken}
	case o.torn+o.layer > 0:
		return Cell{"*" + text, Hole}
	case !o.unpromised:
		return Cell{text, Kept}
	}
	return Cell{Text: text}
}
