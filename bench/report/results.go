package report

import (
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Results are Records. Those of equal races, and of equal measurements of
// precision, are added up. The zero value has none.
type Results struct {
	Races      []record.Repro
	Costs      []record.Cost
	Precisions []record.Precision
	Proofs     []record.Prove
	Probes     []record.Probe
	Guards     []record.Guard
	Watches    []record.Watch

	races      map[raceKey]int // where in Races
	precisions map[precisionKey]int
	systems    map[systemKey]*record.System
	runs       runs
	lines      lines
}

// raceKey is what makes races equal.
type raceKey struct {
	system   *record.System
	strategy stablewrite.Strategy
	buffered bool
	mutator  mutator.Kind
	gate     bool
	detect   stablewrite.Detection
	in       mutator.Where
	size     int
	hold     int64
	written  stablewrite.Directness
}

type precisionKey struct {
	system   *record.System
	strategy stablewrite.Strategy
	detect   stablewrite.Detection
	mutator  mutator.Kind
	size     int
	hold     int64
}

// systemKey is a System that can be compared.
type systemKey struct {
	record.System
	stable byte
}

// Add adds rec, one of the types of package record.
func (res *Results) Add(rec any) {
	switch r := rec.(type) {
	case record.Repro:
		r.Upgrade()
		r.System = res.system(r.System)
		res.addRace(r)
	case record.Cost:
		r.Upgrade()
		r.System = res.system(r.System)
		if r.Target == "" { // as in Records of before there were others
			r.Target = record.OnFile
		}
		r.Round = res.runs.round(r)
		res.Costs = append(res.Costs, r)
	case record.Precision:
		r.System = res.system(r.System)
		res.addPrecision(r)
	case record.Prove:
		r.Upgrade()
		r.System = res.system(r.System)
		res.Proofs = append(res.Proofs, r)
	case record.Probe:
		r.Upgrade()
		r.System = res.system(r.System)
		res.Probes = append(res.Probes, r)
	case record.Guard:
		r.System = res.system(r.System)
		res.Guards = append(res.Guards, r)
	case record.Watch:
		r.System = res.system(r.System)
		res.Watches = append(res.Watches, r)
	}
}

// Len is how many Records are kept.
func (res *Results) Len() int {
	return len(res.Races) + len(res.Costs) + len(res.Precisions) + len(res.Proofs) + len(res.Probes) + len(res.Guards) + len(res.Watches)
}

// system is the one System equal to s, so that their pointers can be compared.
func (res *Results) system(s *record.System) *record.System {
	if s == nil {
		s = new(record.System)
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
		res.systems = map[systemKey]*record.System{}
	}
	res.systems[key] = s
	return s
}

func (res *Results) addRace(r record.Repro) {
	key := raceKey{r.System, r.Strategy, r.Buffered, r.Mutator, r.Gate, r.Detect, r.In, r.Size, r.HoldNS, r.Written}
	i, ok := res.races[key]
	if !ok {
		if res.races == nil {
			res.races = map[raceKey]int{}
		}
		res.races[key] = len(res.Races)
		res.Races = append(res.Races, r)
		return
	}
	sum := &res.Races[i]
	sum.Writes += r.Writes
	sum.Overlapped += r.Overlapped
	sum.Changed += r.Changed
	sum.Resubmitted += r.Resubmitted
	sum.Torn += r.Torn
	sum.ReadErrors += r.ReadErrors
	sum.WriteErrors += r.WriteErrors
	sum.Refused += r.Refused
	sum.Seconds += r.Seconds
	sum.Interrupted = sum.Interrupted || r.Interrupted
}

func (res *Results) addPrecision(r record.Precision) {
	key := precisionKey{r.System, r.Strategy, r.Detect, r.Mutator, r.Size, r.HoldNS}
	i, ok := res.precisions[key]
	if !ok {
		if res.precisions == nil {
			res.precisions = map[precisionKey]int{}
		}
		res.precisions[key] = len(res.Precisions)
		res.Precisions = append(res.Precisions, r)
		return
	}
	sum := &res.Precisions[i]
	sum.Writes += r.Writes
	sum.Blocks += r.Blocks
	sum.Torn += r.Torn
	sum.Resubmitted += r.Resubmitted
	sum.Both += r.Both
}
