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
	Inconclusive []string // should have been shown, and was not
}

func (v *Verdict) add(w Verdict) {
	v.Broken = append(v.Broken, w.Broken...)
	v.Inconclusive = append(v.Inconclusive, w.Inconclusive...)
}

// races are what the races of one system show.
type races struct {
	Verdict
	alike     []record.Repro
	gated     bool // standings, by writer, count gated races, or where there are none, those that ran free
	standings map[string]standing
}

// standing is the sum of the races of one writer, by the kind of change.
type standing struct {
	name, about     string
	strategy        stablewrite.Strategy
	detect          stablewrite.Detection
	promise         stablewrite.Promise
	control         bool // raw through the page cache
	stays, restored tally
}

func (s standing) all() tally {
	return tally{s.stays.torn + s.restored.torn, s.stays.judged + s.restored.judged, s.stays.refused + s.restored.refused}
}

// tested reports whether there were races in which no write may be torn.
func (s standing) tested() bool {
	return s.promise.Changed && s.stays.tried() || s.promise.Restored && s.restored.tried()
}

// writers are the rows of standings: raw, which the others are compared with, first,
// and the negative control last.
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

// timedAs are the names of the standings whose timings have another.
var timedAs = map[string]string{
	stablewrite.ByTracking.String(): record.Cost{Strategy: stablewrite.Verify, Variant: record.Tracked}.Writer(),
	"page cache":                    record.Cost{Strategy: stablewrite.Buffered, Variant: record.Unsummed}.Writer(),
}

// of reports whether s counts r.
func (s standing) of(r record.Repro) bool {
	return r.Strategy == s.strategy && r.Buffered == s.control && (r.Detect == s.detect || !r.Strategy.Detects())
}

// judge compares races of one system with what strategies promise.
func judge(recs []record.Repro) (found races) {
	for _, r := range recs {
		found.judge(r)
		found.gated = found.gated || r.Gate
	}
	found.alike, found.standings = alike(recs), map[string]standing{}
	for _, s := range writers() {
		raced := false
		for _, r := range found.alike {
			if r.Mutator == mutator.None || r.Gate != found.gated || !s.of(r) {
				continue
			}
			switch raced = true; {
			case r.Mutator.Restores():
				s.restored.add(r)
			default:
				s.stays.add(r)
			}
		}
		if s.name == raw && raced && s.all().torn == 0 {
			found.Inconclusive = append(found.Inconclusive, fmt.Sprintf("raw was torn in %v writes: the race does not happen here, so nothing protected against it; try --dir on ext4 or xfs", s.all()))
		}
		if s.all().tried() {
			found.standings[s.name] = s
		}
	}
	return found
}

// judge compares r alone with what its strategy promises.
func (found *races) judge(r record.Repro) {
	who := fmt.Sprintf("%s against %v", r.Writer(), r.Mutator)
	if r.Mutator != mutator.None && r.Overlapped == 0 {
		how := "was in flight"
		if !r.Gate {
			how = "overlapped a write"
		}
		found.Inconclusive = append(found.Inconclusive, fmt.Sprintf("%s: no change %s", who, how))
	}
	if failures := r.WriteErrors - r.Refused; failures > 0 && r.Strategy != stablewrite.Raw {
		found.Inconclusive = append(found.Inconclusive, fmt.Sprintf("%s: %d of %d writes failed", who, failures, r.Writes))
	}
	if repro.Promised(r) && r.Torn > 0 {
		found.Broken = append(found.Broken, fmt.Sprintf("%s: %d of %d writes torn", who, r.Torn, r.Writes))
	}
}

// strategiesSection has a row for each strategy: what became of its writes, what it
// promises of crashes, and what it costs.
func strategiesSection(on System) Section {
	s := Section{Title: "Strategies"}
	rest := costsAtRest(on.sets)
	t := Table{Head: []string{"strategy"}}
	if len(on.Races) > 0 {
		t.Head = append(t.Head, "change stays", "change restored", "after a crash")
		how := "Torn writes, of those that were changed in flight"
		if !on.races.gated {
			how = "Torn writes, raced by a mutator that runs free"
		}
		s.Notes = append(s.Notes, how+". Torn: the media differ from the receipt of the write, or cannot be read. 0 of n bounds the rate below 3/n (95%). What a crash does is what strategies promise, and was not tried here.")
	}
	if rest.set != nil {
		t.Head = append(t.Head, "throughput", "CPU, "+Size(rest.largest))
		s.Notes = append(s.Notes, fmt.Sprintf("Throughput by raw's, on %s with nothing changing: medians, from the least to the most, over all sizes and depths. CPU: s/GiB more than raw, of writes of %s only: of smaller ones it is mostly the kernel's, and noise.", rest.set.where(), Size(rest.largest)))
	}
	for _, w := range writers() {
		raced, tried := on.races.standings[w.name]
		cost := rest.of[cmp.Or(timedAs[w.name], w.name)]
		if !tried && cost.ratios == nil {
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
		if rest.set != nil {
			row.Cells = append(row.Cells, Texts(cost.throughput(), cost.added())...)
		}
		t.Rows = append(t.Rows, row)
	}
	s.Tables = some(t)
	return s
}

// matrixSection has torn writes of writes, by who wrote and who changed the buffer, of
// the races that are gated, or of those that are not.
func matrixSection(on System, gated bool) Section {
	s := Section{Title: "Who changes what", Text: []string{
		"Torn writes of writes. Every change was made in flight, after the kernel accepted the submission and before its completion was reaped. " + marks,
	}}
	if !gated {
		s = Section{Title: "Who changes what, running free", Text: []string{"Torn writes of writes. The mutator ran free, as in 2011: it changed the buffer whenever it did. " + marks}}
	}
	var columns []mutator.Kind
	t := Table{Head: []string{""}}
	for _, k := range mutator.Kinds() {
		if slices.ContainsFunc(on.Races, func(r record.Repro) bool { return r.Gate == gated && r.Mutator == k }) {
			columns = append(columns, k)
			t.Head = append(t.Head, k.String())
			s.Notes = append(s.Notes, k.String()+": "+k.About())
		}
	}
	for _, recs := range parted(on.races.alike, record.Repro.Writer) {
		sums, tried := make([]outcome, len(columns)), false
		for _, r := range recs {
			if r.Gate == gated {
				sums[slices.Index(columns, r.Mutator)].add(r, r.Torn, 0, repro.Promised(r))
				tried = true
			}
		}
		if tried {
			t.put(recs[0].Writer(), outcomes(sums, ""))
		}
	}
	if len(t.Rows) == 0 {
		return Section{}
	}
	s.Tables = []Table{t}
	return s
}

const marks = "* torn, and not promised otherwise; ! a broken promise; r the strategy refused changed writes."

// outcome adds up what became of writes that raced.
type outcome struct {
	writes          int
	torn            int // and, inside a kernel, the layer stands by them
	layer           int // failed by the layer's account
	refused, broken bool
	unpromised      bool // a write of these may be torn
}

// add adds r, of whose writes so many are torn, and failed by the layer's account.
func (o *outcome) add(r record.Repro, torn, layer int, promised bool) {
	o.writes += r.Writes
	o.torn += torn
	o.layer += layer
	o.refused = o.refused || r.Refused > 0
	o.broken = o.broken || promised && r.Torn > 0
	o.unpromised = o.unpromised || !promised
}

// counts is "3/100", and inside a kernel "2e3t/100": e the layer, t torn. It is empty
// where nothing was tried.
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
	if counts == "" {
		counts = "0"
	}
	if o.refused {
		tail = "r"
	}
	return fmt.Sprintf("%s/%d%s", counts, o.writes, tail)
}

// outcomes are the cells of all.
func outcomes(all []outcome, unit string) (row []Cell) {
	for _, o := range all {
		row = append(row, o.cell(unit))
	}
	return row
}

// cell is counts with what they mean: * and ! are for those who see no colours.
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
