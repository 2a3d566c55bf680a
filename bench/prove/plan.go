package prove

import (
	"os"
	"slices"
	"time"

	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/victim"
	"stablepages/stablewrite"
)

// Scenarios lists every Scenario.
func Scenarios() []record.Scenario {
	return []record.Scenario{record.Race, record.SameBase, record.Unmodified, record.Crash, record.Replay, record.Faults}
}

// Plan describes a proof.
type Plan struct {
	Kernels    []kernel.Kernel
	Accel      kernel.Accel
	Victims    []victim.Victim
	Strategies []stablewrite.Strategy
	Mutators   []mutator.Kind // nil: those of the function Mutators
	Scenarios  []record.Scenario
	Programs   []Program // nil: those of the function Programs that suit a victim
	// Quick makes a third of the writes of races, replays and faults. Controls, stacks, and
	// layers that fail as another does, always have a third.
	Quick bool
	// Until bounds a race that is to show a failure, or on a control a change in flight, and
	// has shown none yet.
	Until time.Duration
	// Program is run inside the machines; Dir has their disks.
	Program, Dir string
}

// telling lists the mutators of a control: changes of Storm stay, ABA restores its changes.
var telling = []mutator.Kind{mutator.Storm, mutator.ABA}

// Mutators returns the default mutators of races on a layer that needs stable pages, or
// on a control. Stacks of layers, and layers that fail as another does, have those of a
// control.
func Mutators(needsStablePages bool) []mutator.Kind {
	if needsStablePages {
		return []mutator.Kind{mutator.Stock, mutator.Storm, mutator.ABA, mutator.CRCPage, mutator.Hint}
	}
	return slices.Clone(telling)
}

func (p Plan) mutators(v victim.Victim) []mutator.Kind {
	if p.Mutators != nil {
		return p.Mutators
	}
	return Mutators(!few(v))
}

// few reports whether few races show all there is to see on v.
func few(v victim.Victim) bool { return !v.NeedsStablePages || v.Stacked || v.Alike }

func (p Plan) quick(v victim.Victim) bool { return p.Quick || few(v) }

// job is the work of a machine.
type job struct {
	Scenarios  []record.Scenario // several if they share the machine
	Victim     string
	Kernel     kernel.Kernel // the machine gets what is exported
	Accel      kernel.Accel
	Races      []race                 `json:",omitempty"`
	Strategies []stablewrite.Strategy `json:",omitempty"`
	Programs   []string               `json:",omitempty"` // by name
	Path       string                 `json:",omitempty"` // PATH, for these
	Quick      bool                   `json:",omitempty"` // as Plan.Quick
	Again      bool                   `json:",omitempty"` // after the power cut
}

// race is one cell of the matrix.
type race struct {
	Strategy stablewrite.Strategy
	Detect   stablewrite.Detection
	Mutator  mutator.Kind
	Gate     bool
	Writes   int
	Until    time.Duration `json:",omitempty"` // as Plan.Until
	Spare    bool          `json:",omitempty"` // shows nothing new where the kernel copies
}

// A write of a race has the size of 2011. An emulated processor makes, and reads back, some
// 20 such writes a second.
const (
	raceBytes  = 1 << 20
	raceWrites = 60
	raceLimit  = 6 * time.Second // for these writes, if checksums or changes are slow
	meetLimit  = time.Minute     // for a first change during a write: without one a race shows nothing
	raceSeed   = 2011
)

// some returns n, or a third of it if quick.
func some[T int | time.Duration](quick bool, n T) T {
	if quick {
		return n / 3
	}
	return n
}

// promised reports whether no write of r may be torn.
func (r race) promised() bool {
	return repro.Promised(record.Repro{Strategy: r.Strategy, Detect: r.Detect, Mutator: r.Mutator, Gate: r.Gate})
}

// races plans the matrix of a victim. Where nothing is promised, a free-running race on a
// layer that needs stable pages goes on until a failure is seen. A gated one does not: on
// devices that copy at once no change is in flight. Nor does a free-running race against
// once, whose change nearly always comes before the submission.
//
// The first two races measure whether the kernel writes directly. Only a gated change that
// reached the media shows that of a control, so there the first race goes on until one did.
func (p Plan) races(v victim.Victim, tracks bool) []race {
	all := []race{{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true}, {Strategy: stablewrite.Raw, Mutator: mutator.Storm}}
	for _, s := range p.Strategies {
		for _, k := range p.mutators(v) {
			for _, gate := range []bool{false, true} {
				r := race{Strategy: s, Mutator: k, Gate: gate, Spare: p.Mutators == nil && !slices.Contains(telling, k)}
				if k == mutator.None && gate {
					continue
				}
				if !slices.Contains(all, r) {
					all = append(all, r)
				}
				if s.Detects() && k.SelfSummed() {
					r.Detect = stablewrite.BySum
					all = append(all, r)
				}
				if s.Detects() && k.Restores() && gate && tracks {
					r.Detect = stablewrite.ByTracking
					all = append(all, r)
				}
			}
		}
	}
	for i := range all {
		r := &all[i]
		r.Writes = some(p.quick(v), raceWrites)
		if v.NeedsStablePages {
			if i >= measuring && !r.Gate && r.Mutator != mutator.Once && !r.promised() {
				r.Until = p.Until
			}
		} else if i == 0 {
			r.Until = p.Until
		}
	}
	return all
}

// tracks reports whether a kernel can track writes to pages: Linux 6.7 and later.
func tracks(version string) bool { return kernel.Ordinal(version) >= kernel.Ordinal("6.7") }

// The first races, measuring of them, show how the kernel writes: raw ones against storm,
// gated and free. They go on until changes met the fewest writes that show anything.
const (
	measuring = 2
	fewest    = 10
)

// jobs plans the machines of a victim and a kernel. The first one has all scenarios that
// leave the machine in order for those after them.
func (p Plan) jobs(k kernel.Kernel, v victim.Victim) (all []job) {
	machines := [][]record.Scenario{nil}
	for _, s := range p.Scenarios {
		switch {
		case !p.tries(s, v):
		case s == record.Crash, s == record.Replay:
			machines = append(machines, []record.Scenario{s})
		default:
			machines[0] = append(machines[0], s)
		}
	}
	if machines[0] == nil {
		machines = machines[1:]
	}
	for _, scenarios := range machines {
		j := job{
			Scenarios: scenarios, Victim: v.Name, Kernel: k, Accel: p.Accel, Quick: p.quick(v),
			Races: p.races(v, tracks(k.Version)), Strategies: p.Strategies,
		}
		if slices.Contains(scenarios, record.Unmodified) {
			j.Path = os.Getenv("PATH")
			for _, prog := range p.programs(v) {
				j.Programs = append(j.Programs, prog.Name)
			}
		}
		all = append(all, j)
	}
	return all
}

// tries reports whether a scenario can be tried on v.
func (p Plan) tries(s record.Scenario, v victim.Victim) bool {
	return map[record.Scenario]bool{
		record.Race: true, record.SameBase: !v.Stacked, record.Unmodified: len(p.programs(v)) > 0,
		record.Crash: !v.NoCrash, record.Replay: v.Crashed != "", record.Faults: v.Injects,
	}[s]
}
