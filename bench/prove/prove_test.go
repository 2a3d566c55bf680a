package prove

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/victim"
	"stablepages/stablewrite"
)

func TestThePlanOfAVictim(t *testing.T) {
	layer := victim.Victim{Name: "layer", NeedsStablePages: true}
	control := victim.Victim{Name: "control", NoCrash: true, Injects: true}
	p := Plan{
		Strategies: []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify}, Scenarios: Scenarios(), Until: time.Minute,
	}
	races := p.races(layer, false)
	for i, gate := range []bool{true, false} {
		if r := races[i]; r.Strategy != stablewrite.Raw || r.Mutator != mutator.Storm || r.Gate != gate {
			t.Errorf("race %d measures nothing: %+v", i, r)
		}
	}
	for i, r := range races {
		if slices.Contains(races[:i], r) {
			t.Errorf("%+v is there twice", r)
		}
		if goesOn := i >= measuring && !r.Gate && r.Mutator != mutator.Once && !r.promised(); goesOn != (r.Until > 0) {
			t.Errorf("%+v: goes on %v", r, goesOn)
		}
	}
	// Five mutators, free and gated, for each of two; and crc32c for one.
	if want := 2*5*2 + 2; len(races) != want {
		t.Errorf("%d races, want %d", len(races), want)
	}
	// On a kernel that tracks, also aba for that one, gated: tracking sees restored changes.
	if more := p.races(layer, true); len(more) != len(races)+1 || !slices.ContainsFunc(more, func(r race) bool {
		return r.Detect == stablewrite.ByTracking && r.Strategy == stablewrite.Verify && r.Mutator == mutator.ABA && r.Gate && r.promised()
	}) {
		t.Errorf("with tracking: %+v", more)
	}
	for i, r := range p.races(control, false) {
		if goesOn := i == 0; goesOn != (r.Until > 0) {
			t.Errorf("control, race %d: goes on %v", i, !goesOn)
		}
	}
	for version, want := range map[string]bool{"6.1.0-56-cloud-amd64": false, "6.6.9": false, "6.7.0": true, "6.12.117+deb12": true, "7.3.4": true, "5.19": false, "x": false} {
		if tracks(version) != want {
			t.Errorf("Linux %s tracks: %v", version, !want)
		}
	}
	for _, r := range races {
		if telling := r.Mutator == mutator.Storm || r.Mutator == mutator.ABA; r.Spare == telling {
			t.Errorf("%+v: left out where the kernel copies: %v", r, r.Spare)
		}
	}
	alike := layer
	alike.Alike = true
	for _, v := range []victim.Victim{control, alike} {
		if n := len(p.races(v, false)); n != 2*2*2 {
			t.Errorf("%d races on a victim that needs few", n)
		}
	}
	p.Mutators, p.Quick = []mutator.Kind{mutator.None}, true
	if races := p.races(control, false); len(races) != 4 || races[0].Writes != raceWrites/3 {
		t.Errorf("races with nothing changing: %+v", races)
	}
	stack := victim.Victim{Name: "stack", NeedsStablePages: true, Stacked: true, NoCrash: true}
	p.Mutators, p.Quick = nil, false
	if races := p.races(stack, false); len(races) != 2*2*2 || races[0].Writes != raceWrites/3 {
		t.Errorf("races on a stack: %+v", races)
	}
	// Scenarios of one machine are separated by commas, machines by bars.
	for _, tc := range []struct {
		of                  victim.Victim
		scenarios, programs string
	}{
		{layer, "race, read, program|crash", "dio-race"},
		{stack, "race, program", "dio-race"},
		{control, "race, read, faults", ""},
		{victim.Victim{Name: "fs", NeedsStablePages: true, Mkfs: []string{"mkfs"}, NoCrash: true}, "race, read, program", "modify-dio-in-flight dio-race fio qemu"},
	} {
		var machines, programs []string
		for _, j := range p.jobs(kernel.Kernel{Version: "9.9"}, tc.of) {
			machines, programs = append(machines, listed(j.Scenarios)), append(programs, j.Programs...)
		}
		if got := strings.Join(machines, "|"); got != tc.scenarios {
			t.Errorf("%s: scenarios %s, want %s", tc.of.Name, got, tc.scenarios)
		}
		if got := strings.Join(programs, " "); got != tc.programs {
			t.Errorf("%s: programs %s, want %s", tc.of.Name, got, tc.programs)
		}
	}
}
