package findings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Names of writers that tables and sentences begin with.
var (
	raw    = stablewrite.Raw.String()
	verify = stablewrite.Verify.String()
	bounce = stablewrite.Bounce.String()
)

// fewRounds are the fewest whose 95% interval leaves out the lowest and the highest.
const fewRounds = 9

// noise is said of costs from fewer than fewRounds.
var noise = fmt.Sprintf("Not known: costs from fewer than %d rounds are noise. For costs to rely on, run evaluate without --quick, or bench with more --rounds.", fewRounds)

// Kind is timings that differ only by writer: raw, the writers compared with it, and
// other programs last.
type Kind struct {
	record.CostKey // Strategy and Variant mean nothing
	Rows           []Comparison
}

func (k Kind) row(writer string) *Comparison {
	return first(k.Rows, func(c Comparison) bool { return c.Writer() == writer })
}

// costSet is timings that differ only by writer, size and depth.
type costSet struct {
	record.CostKey // Strategy, Variant, Size and Depth mean nothing
	kinds          []Kind
}

func costSets(recs []record.Cost) (all []costSet) {
	for _, set := range parted(Compare(recs), func(c Comparison) record.CostKey { return wayOf(c.CostKey) }) {
		s := costSet{CostKey: wayOf(set[0].CostKey)}
		for _, rows := range parted(set, func(c Comparison) record.CostKey { return c.Base() }) {
			slices.SortStableFunc(rows, peersLast)
			s.kinds = append(s.kinds, Kind{rows[0].Base(), rows})
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b costSet) int { return cmp.Or(byPlace(a.CostKey, b.CostKey), byChange(a.CostKey, b.CostKey)) })
	return all
}

func peersLast(a, b Comparison) int { return compareBool(a.Variant.Peer(), b.Variant.Peer()) }

// wayOf is where and how the writes of k were made: the key of a costSet.
func wayOf(k record.CostKey) record.CostKey {
	k = k.Base()
	k.Size, k.Depth = 0, 0
	return k
}

// unchanged is the kind of k with nothing changing.
func unchanged(k record.CostKey) record.CostKey {
	k = k.Base()
	k.Mutated, k.TwoSteps, k.ChangedBlocks = 0, false, 0
	return k
}

// where is "a file, hot buffers of 4k pages".
func (s costSet) where() string {
	text := s.On() + ", " + s.Memory() + " buffers"
	rows := which(s.rows(), func(c Comparison) bool { return !c.Variant.Peer() && c.Variant != record.Huge }) // these choose other pages
	if same := parted(rows, func(c Comparison) string { return c.Backing }); len(same) == 1 && rows[0].Backing != "" {
		text += " of " + rows[0].Backing + " pages"
	}
	return text
}

// resting reports whether nothing changes and writes take one step, as users' writes do.
func (s costSet) resting() bool { return s.Mutated == 0 && !s.TwoSteps }

// changing is "nothing changing", "10% of writes changed in flight".
func (s costSet) changing() string {
	switch {
	case s.resting():
		return "nothing changing"
	case s.Mutated == 0:
		return "nothing changing, in two steps"
	}
	text := Percent(s.Mutated) + " of writes changed in flight"
	if s.ChangedBlocks > 0 {
		text += fmt.Sprintf(", in %d of their 4k blocks", s.ChangedBlocks)
	}
	return text
}

func (s costSet) rows() []Comparison {
	return slices.Concat(each(s.kinds, func(k Kind) []Comparison { return k.Rows })...)
}

func (s costSet) has(so func(Comparison) bool) bool { return slices.ContainsFunc(s.rows(), so) }

// noisy reports whether s has too few rounds. On null no disk makes noise.
func (s costSet) noisy() bool {
	return s.Target != record.OnNull && s.has(func(c Comparison) bool { return c.N < fewRounds })
}

// writers are the writers of s for which so holds, in order of appearance, other
// programs last.
func (s costSet) writers(so func(Comparison) bool) (names []string) {
	rows := s.rows()
	slices.SortStableFunc(rows, peersLast)
	for _, same := range parted(rows, Comparison.Writer) {
		if so(same[0]) {
			names = append(names, same[0].Writer())
		}
	}
	return names[:min(len(names), mostColumns)]
}

// kindName is "64k, depth 4".
func kindName(k record.CostKey) string { return fmt.Sprintf("%s, depth %d", Size(k.Size), k.Depth) }

// perWrite is the time of a write in ns, from the throughput (Little's law).
func perWrite(c Comparison) float64 {
	return float64(c.Depth) * float64(c.Size) / c.Throughput * 1e9
}

// cost is the cost of a writer relative to raw, over all sizes and depths of a set.
type cost struct {
	timed      bool
	throughput string // "0.91 to 1.01"
	// added is s/GiB on top of raw, "+0.06 to +0.09", of writes of the largest size: in
	// small writes the noise of a system call hides it.
	added string
}

func (s costSet) cost(writer string) cost {
	var ratios, cpu []float64
	largest := s.largest()
	for _, k := range s.kinds {
		raw, c := k.row(raw), k.row(writer)
		if raw == nil || c == nil || c.Ratio == 0 {
			continue
		}
		ratios = append(ratios, c.Ratio)
		if k.Size == largest {
			cpu = append(cpu, c.CPU-raw.CPU)
		}
	}
	ratio, added := ratioText, func(v float64) string { return fmt.Sprintf("%+.2f", v) }
	if s.noisy() {
		ratio = func(float64) string { return "noise" }
		added = ratio
	}
	return cost{ratios != nil, extent(ratio, ratios), extent(added, cpu)}
}

// largest returns the size in bytes of the largest raw writes; 0 without raw writes.
func (s costSet) largest() (bytes int) {
	for _, k := range s.kinds {
		if k.row(raw) != nil {
			bytes = max(bytes, k.Size)
		}
	}
	return bytes
}

// atRest is the first set with nothing changing in which raw was timed, or nil. A ratio
// on null, where raw does nothing, means nothing.
func (on System) atRest() *costSet {
	return first(on.sets, func(s costSet) bool { return s.resting() && s.Target != record.OnNull && s.largest() > 0 })
}

// costPlace is the timings of one place.
type costPlace struct {
	sets       []costSet
	crossovers []crossover
}

// costPlaces groups the timings of one system by place.
func costPlaces(on System) (all []costPlace) {
	place := func(k record.CostKey) record.CostKey { return unchanged(wayOf(k)) }
	for _, sets := range parted(on.sets, func(s costSet) record.CostKey { return place(s.CostKey) }) {
		here := which(on.Timings, func(r record.Cost) bool { return place(r.Key()) == place(sets[0].CostKey) })
		all = append(all, costPlace{sets, crossoversOf(here)})
	}
	return all
}

// sentences give the costs of verify and bounce in p, from the worst to the best, and
// the torn writes of all that were read back.
func (p costPlace) sentences() (said []string) {
	names := []string{verify, bounce}
	if slices.ContainsFunc(p.sets, costSet.noisy) {
		said, names = append(said, noise), nil
	}
	for _, name := range names {
		var parts []string
		for _, set := range p.sets {
			switch cost := set.cost(name); {
			case !cost.timed || !set.resting() && (set.Mutated < 1 || set.Target == record.OnNull):
			case set.Target == record.OnNull:
				parts = append(parts, "adds to a write with nothing changing: "+set.adds(name))
			case set.resting():
				parts = append(parts, cost.throughput+" of the throughput of raw with nothing changing")
			default:
				parts = append(parts, cost.throughput+" with every write changed in flight")
			}
		}
		if len(parts) > 0 {
			said = append(said, name+": "+strings.Join(parts, "; ")+".")
		}
	}
	var checked, torn int64
	for _, set := range p.sets {
		for _, c := range set.rows() {
			checked, torn = checked+c.Checked, torn+c.Torn
		}
	}
	switch {
	case torn > 0:
		said = append(said, fmt.Sprintf("TORN: %d of %d writes that were read back differ from their receipts.", torn, checked))
	case checked > 0:
		said = append(said, fmt.Sprintf("%d writes were read back after runs that changed buffers; all agree with their receipts.", checked))
	}
	return said
}

// adds is "4k +252 ns, 1M +37 µs": the time that a writer adds to a raw write.
func (s costSet) adds(writer string) string {
	var parts []string
	for _, k := range s.kinds {
		c, raw := k.row(writer), k.row(raw)
		if c == nil || raw == nil || k.Depth != s.kinds[0].Depth {
			continue
		}
		text := "none"
		if ns := perWrite(*c) - perWrite(*raw); ns >= 1 {
			text = "+" + nanoseconds(ns)
		}
		parts = append(parts, Size(k.Size)+" "+text)
	}
	return strings.Join(parts, ", ")
}

// broken lists the timed writes that differ from their receipts. Only writes whose
// strategy promises to heal them are read back.
func (p costPlace) broken() (lines []string) {
	for _, s := range p.sets {
		for _, c := range s.rows() {
			if c.Torn > 0 {
				lines = append(lines, fmt.Sprintf("%s, timed with %s, %s: %d of %d writes torn", c.Writer(), s.changing(), kindName(c.CostKey), c.Torn, c.Checked))
			}
		}
	}
	return lines
}
