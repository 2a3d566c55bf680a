package record

import (
	"encoding/json"
	"hash/maphash"
	"reflect"
	"slices"
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
		merge(&res.Races, res.races, r)
	case Cost:
		r.upgrade()
		r.System = res.system(r.System)
		r.Round = res.round(r)
		res.Costs = append(res.Costs, r)
	case Precision:
		r.System = res.system(r.System)
		merge(&res.Precisions, res.precisions, r)
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

// sums are the fields that merge adds up; ignored those that it keeps of the first Record.
var sums = []string{
	"Writes", "Overlapped", "Changed", "Tracked", "Resubmitted", "Torn", "ReadErrors", "WriteErrors", "Refused",
	"Blocks", "Both", "Seconds", "Interrupted",
}
var ignored = []string{"Kind", "Seed", "Version"}

// merge adds r to the Record of all that differs from it only in these, or appends it. at
// has the indices in all, by the other fields.
func merge[R comparable](all *[]R, at map[R]int, r R) {
	key, added := r, reflect.ValueOf(r)
	for _, name := range slices.Concat(sums, ignored) {
		if field := reflect.ValueOf(&key).Elem().FieldByName(name); field.IsValid() {
			field.SetZero()
		}
	}
	i, ok := at[key]
	if !ok {
		at[key] = len(*all)
		*all = append(*all, r)
		return
	}
	for _, name := range sums {
		switch sum := reflect.ValueOf(&(*all)[i]).Elem().FieldByName(name); sum.Kind() {
		case reflect.Int:
			sum.SetInt(sum.Int() + added.FieldByName(name).Int())
		case reflect.Float64:
			sum.SetFloat(sum.Float() + added.FieldByName(name).Float())
		case reflect.Bool:
			sum.SetBool(sum.Bool() || added.FieldByName(name).Bool())
		}
	}
}
