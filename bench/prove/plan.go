package prove

import (
	"fmt"
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

// sharesMachine reports whether s leaves a machine in order for those after it.
func sharesMachine(s record.Scenario) bool { return s != record.Crash && s != record.Replay }

// Plan is what is to be proved.
type Plan struct {
	Kernels    []kernel.Kernel
	Accel      kernel.Accel
	Victims    []victim.Victim
	Strategies []stablewrite.Strategy
	Mutators   []mutator.Kind // nil: those of the function Mutators
	Scenarios  []record.Scenario
	Programs   []Program // nil: those of the function Programs that show something of a victim
	// Quick makes a third of the writes of races, replays and faults, as do controls,
	// stacks, and layers that fail as another does.
	Quick bool
	// Until is how long a race goes on at most that is to show failures and has
	// shown none yet.
	Until time.Duration
	// Program is run inside the machines; Dir is where their disks are.
	Program, Dir string
}

// On a control two are enough: one whose changes stay, one that restores them.
var (
	usual   = []mutator.Kind{mutator.Stock, mutator.Storm, mutator.ABA, mutator.CRCPage, mutator.Hint}
	telling = []mutator.Kind{mutator.Storm, mutator.ABA}
)

// Mutators are those of a race on a layer that needs stable pages, or on a
// control, unless others are asked for. Stacks of layers, and layers that fail as
// another does, have those of a control.
func Mutators(needsStablePages bool) []mutator.Kind {
	if needsStablePages {
		return slices.Clone(usual)
	}
	return slices.Clone(telling)
}

func (p Plan) mutators(v victim.Victim) []mutator.Kind {
	if p.Mutators != nil {
		return p.Mutators
	}
	return Mutators(!few(v))
}

// few reports whether few races tell what there is to tell of v.
func few(v victim.Victim) bool { return !v.NeedsStablePages || v.Stacked || v.Alike }

func (p Plan) quick(v victim.Victim) bool { return p.Quick || few(v) }

// job is what a machine is to do.
type job struct {
	Scenarios  []record.Scenario // several if they share the machine
	Victim     string
	Kernel     string
	Origin     string
	Accel      kernel.Accel
	Races      []race                 `json:",omitempty"`
	Strategies []stablewrite.Strategy `json:",omitempty"`
	Programs   []string               `json:",omitempty"` // by name
	Path       string                 `json:",omitempty"` // where they are, as PATH has it
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

// A race has the size of 2011. An emulated processor makes, and reads back, some 20
// such writes a second.
const (
	raceBytes  = 1 << 20
	raceWrites = 60
	raceLimit  = 6 * time.Second // for these writes, where a checksum takes its time, or a change its own
	meetLimit  = time.Minute     // for a change to come while a write is under way: a race that met none shows nothing
	raceSeed   = 2011
)

// some is how many there are to be of what is usually n.
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

// races plans the matrix of a victim. Where nothing is promised, a race on a
// layer that needs stable pages goes on until a failure is seen. Gated it does
// not: on devices that copy at once no change is in flight. Nor does once running
// free, whose change comes before the submission nearly always.
//
// The first two are those that measure whether the kernel writes directly: they
// show it at once, or it does not.
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
		all[i].Writes = some(p.quick(v), raceWrites)
		if r := &all[i]; i >= measuring && v.NeedsStablePages && !r.Gate && r.Mutator != mutator.Once && !r.promised() {
			r.Until = p.Until
		}
	}
	return all
}

// tracks reports whether a kernel can track writes to pages: Linux 6.7 and later.
func tracks(version string) bool {
	var major, minor int
	n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return n == 2 && (major > 6 || major == 6 && minor >= 7)
}

// measuring is how many races, the first ones, show how the kernel writes: raw ones
// against storm, gated and free. They go on until so many writes, the fewest that
// show anything, were changed.
const (
	measuring = 2
	fewest    = 10
)

func (r race) measures() bool { return r.Strategy == stablewrite.Raw && r.Mutator == mutator.Storm }

// jobs plans what is done on a victim with a kernel.
func (p Plan) jobs(k kernel.Kernel, v victim.Victim) (all []job) {
	shared := -1
	for _, s := range p.Scenarios {
		if !p.tries(s, v) {
			continue
		}
		at := shared
		if !sharesMachine(s) || shared < 0 {
			at = len(all)
			all = append(all, job{
				Victim: v.Name, Kernel: k.Version, Origin: k.Origin, Accel: p.Accel, Quick: p.quick(v),
				Races: p.races(v, tracks(k.Version)), Strategies: p.Strategies,
			})
		}
		if sharesMachine(s) {
			shared = at
		}
		all[at].Scenarios = append(all[at].Scenarios, s)
		if s != record.Unmodified {
			continue
		}
		for _, prog := range p.programs(v) {
			all[at].Programs = append(all[at].Programs, prog.Name)
		}
		all[at].Path = os.Getenv("PATH")
	}
	return all
}

// tries reports whether a scenario can show something of v.
func (p Plan) tries(s record.Scenario, v victim.Victim) bool {
	switch s {
	case record.SameBase:
		return !v.Stacked
	case record.Unmodified:
		return len(p.programs(v)) > 0
	case record.Crash:
		return !v.NoCrash
	case record.Replay:
		return v.Crashed != ""
	case record.Faults:
		return v.Injects
	}
	return true
}
