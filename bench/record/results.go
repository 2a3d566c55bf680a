package record

import (
	"encoding/json"
	"hash/maphash"
)

// Results are Records. Equal races are added up, and so are equal measurements of
// precision. The zero value has none.
type Results struct {
	Races      []Repro
	Costs      []Cost
	Precisions []Precision
	Proofs     []Prove
	Probes     []Probe
	Guards     []Guard
	Watches    []Watch
	Systems    []*System // of all these, in order of appearance; equal ones are one

	races      map[Repro]int // indices in Races, by the fields of equal races
	precisions map[Precision]int
	systems    map[string]*System // by their JSON

	// A timing is compared only with raw in the same round of the same run.
	timed     map[timing]bool // in the run under way
	ended     int             // rounds of the runs before it
	lastRound int

	seed  maphash.Seed
	seen  map[uint64]bool // hashes of the lines of all files
	lines int             // that were read, with empty ones
}

// timing identifies a timing within a run.
type timing struct {
	system *System
	CostKey
	round int
}

// ready makes the maps of a zero value.
func (res *Results) ready() {
	if res.systems == nil {
		res.races, res.precisions = map[Repro]int{}, map[Precision]int{}
		res.systems, res.timed = map[string]*System{}, map[timing]bool{}
		res.seed, res.seen = maphash.MakeSeed(), map[uint64]bool{}
	}
}

// Add adds rec, one of the types of this package.
func (res *Results) Add(rec any) {
	res.ready()
	switch r := rec.(type) {
	case Repro:
		r.upgrade()
		r.System = res.system(r.System)
		res.addRace(r)
	case Cost:
		r.upgrade()
		r.System = res.system(r.System)
		r.Round = res.round(r)
		res.Costs = append(res.Costs, r)
	case Precision:
		r.System = res.system(r.System)
		res.addPrecision(r)
	case Prove:
		r.upgrade()
		r.System = res.system(r.System)
		res.Proofs = append(res.Proofs, r)
	case Probe:
		r.upgrade()
		r.System = res.system(r.System)
		res.Probes = append(res.Probes, r)
	case Guard:
		r.System = res.system(r.System)
		res.Guards = append(res.Guards, r)
	case Watch:
		r.System = res.system(r.System)
		res.Watches = append(res.Watches, r)
	}
}

// Len is the number of Records that are kept.
func (res *Results) Len() int {
	return len(res.Races) + len(res.Costs) + len(res.Precisions) + len(res.Proofs) +
		len(res.Probes) + len(res.Guards) + len(res.Watches)
}

// system returns the one System equal to s, so that pointers can be compared.
func (res *Results) system(s *System) *System {
	if s == nil {
		s = new(System)
	}
	key, _ := json.Marshal(s) // strings, numbers and a bool: no error
	if known := res.systems[string(key)]; known != nil {
		return known
	}
	res.systems[string(key)], res.Systems = s, append(res.Systems, s)
	return s
}

// round numbers the round of r among the rounds of all runs. A run has each timing once a
// round, so a second one belongs to another run.
func (res *Results) round(r Cost) int {
	key := timing{r.System, r.Key(), r.Round}
	if res.timed[key] {
		res.endRun()
	}
	res.timed[key] = true
	round := res.ended + r.Round
	res.lastRound = max(res.lastRound, round)
	return round
}

// endRun ends the run under way.
func (res *Results) endRun() {
	clear(res.timed)
	res.ended = res.lastRound
}

func (res *Results) addRace(r Repro) {
	key := Repro{
		System: r.System, Strategy: r.Strategy, Buffered: r.Buffered, Mutator: r.Mutator, Gate: r.Gate,
		Detect: r.Detect, In: r.In, Size: r.Size, HoldNS: r.HoldNS, Written: r.Written,
	}
	if sum := equal(&res.Races, res.races, key, r); sum != nil {
		sum.Writes += r.Writes
		sum.Overlapped += r.Overlapped
		sum.Changed += r.Changed
		sum.Tracked += r.Tracked
		sum.Resubmitted += r.Resubmitted
		sum.Torn += r.Torn
		sum.ReadErrors += r.ReadErrors
		sum.WriteErrors += r.WriteErrors
		sum.Refused += r.Refused
		sum.Seconds += r.Seconds
		sum.Interrupted = sum.Interrupted || r.Interrupted
	}
}

func (res *Results) addPrecision(r Precision) {
	key := Precision{
		System: r.System, Strategy: r.Strategy, Detect: r.Detect, Mutator: r.Mutator, Size: r.Size, HoldNS: r.HoldNS,
	}
	if sum := equal(&res.Precisions, res.precisions, key, r); sum != nil {
		sum.Writes += r.Writes
		sum.Blocks += r.Blocks
		sum.Torn += r.Torn
		sum.Resubmitted += r.Resubmitted
		sum.Both += r.Both
	}
}

// equal returns the Record of all with the key of r, for r to be added to. If there is none
// it appends r, and returns nil.
func equal[R comparable](all *[]R, at map[R]int, key, r R) *R {
	if i, ok := at[key]; ok {
		return &(*all)[i]
	}
	at[key] = len(*all)
	*all = append(*all, r)
	return nil
}
