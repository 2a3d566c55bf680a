package record

import "hash/maphash"

// Results are Records. Those of equal races, and of equal measurements of
// precision, are added up. The zero value has none.
type Results struct {
	Races      []Repro
	Costs      []Cost
	Precisions []Precision
	Proofs     []Prove
	Probes     []Probe
	Guards     []Guard
	Watches    []Watch
	Systems    []*System // of all these, in order of appearance; equal ones are one

	races      map[Repro]int // where in Races, by what makes races equal
	precisions map[Precision]int
	systems    map[systemKey]*System
	runs       runs

	seed  maphash.Seed
	seen  map[uint64]bool // hashes of lines that were read, of all files
	lines int             // that were read, the empty ones, too
}

// systemKey is a System that can be compared.
type systemKey struct {
	System
	stable byte
}

// Add adds rec, one of the types of this package.
func (res *Results) Add(rec any) {
	switch r := rec.(type) {
	case Repro:
		r.Upgrade()
		r.System = res.system(r.System)
		res.addRace(r)
	case Cost:
		r.Upgrade()
		r.System = res.system(r.System)
		if r.Target == "" { // as in Records of before there were others
			r.Target = OnFile
		}
		r.Round = res.runs.round(r)
		res.Costs = append(res.Costs, r)
	case Precision:
		r.System = res.system(r.System)
		res.addPrecision(r)
	case Prove:
		r.Upgrade()
		r.System = res.system(r.System)
		res.Proofs = append(res.Proofs, r)
	case Probe:
		r.Upgrade()
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

// Len is how many Records are kept.
func (res *Results) Len() int {
	return len(res.Races) + len(res.Costs) + len(res.Precisions) + len(res.Proofs) + len(res.Probes) + len(res.Guards) + len(res.Watches)
}

// system is the one System equal to s, so that their pointers can be compared.
func (res *Results) system(s *System) *System {
	if s == nil {
		s = new(System)
	}
	key := systemKey{System: *s}
	key.StableWrites = nil
	if s.StableWrites != nil {
		key.stable = 1
		if *s.StableWrites {
			key.stable = 2
		}
	}
	if known := res.systems[key]; known != nil {
		return known
	}
	if res.systems == nil {
		res.systems = map[systemKey]*System{}
	}
	res.systems[key], res.Systems = s, append(res.Systems, s)
	return s
}

func (res *Results) addRace(r Repro) {
	key := Repro{System: r.System, Strategy: r.Strategy, Buffered: r.Buffered, Mutator: r.Mutator, Gate: r.Gate, Detect: r.Detect, In: r.In, Size: r.Size, HoldNS: r.HoldNS, Written: r.Written}
	if sum := equal(&res.Races, &res.races, key, r); sum != nil {
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
	key := Precision{System: r.System, Strategy: r.Strategy, Detect: r.Detect, Mutator: r.Mutator, Size: r.Size, HoldNS: r.HoldNS}
	if sum := equal(&res.Precisions, &res.precisions, key, r); sum != nil {
		sum.Writes += r.Writes
		sum.Blocks += r.Blocks
		sum.Torn += r.Torn
		sum.Resubmitted += r.Resubmitted
		sum.Both += r.Both
	}
}

// equal is the one of all with the key of r, to which r is to be added. If there is
// none r is put there, and equal is nil.
func equal[R comparable](all *[]R, at *map[R]int, key, r R) *R {
	if i, ok := (*at)[key]; ok {
		return &(*all)[i]
	}
	if *at == nil {
		*at = map[R]int{}
	}
	(*at)[key] = len(*all)
	*all = append(*all, r)
	return nil
}
