package findings

import (
	"fmt"

	"stablepages/bench/record"
)

// systems groups res by system, in order of appearance.
func systems(res record.Results) (all []System) {
	home := homes(res)
	for _, s := range res.Systems {
		on := System{
			Name: s.String(), System: s,
			Races:      which(res.Races, func(r record.Repro) bool { return home(r.System) == s }),
			Timings:    which(res.Costs, func(r record.Cost) bool { return home(r.System) == s }),
			Precisions: which(res.Precisions, func(r record.Precision) bool { return home(r.System) == s }),
		}
		if len(on.Races)+len(on.Timings)+len(on.Precisions) > 0 {
			on.sets, on.races = costSets(on.Timings), judge(on.Races)
			all = append(all, on)
		}
	}
	return all
}

// homes maps a system to the system under which its measurements are shown. A device in
// memory has no place, and is shown under the first place on the same machine.
func homes(res record.Results) func(*record.System) *record.System {
	first := map[record.System]*record.System{} // with a place, by machine
	for _, s := range res.Systems {
		if m := machine(*s); s.Place() != "" && first[m] == nil {
			first[m] = s
		}
	}
	return func(s *record.System) *record.System {
		if on := first[machine(*s)]; s.Place() == "" && on != nil {
			return on
		}
		return s
	}
}

// machine is s without the place that was written to.
func machine(s record.System) record.System {
	s.FileSystem, s.MountOptions, s.Device, s.StableWrites = "", "", "", nil
	return s
}

func places(res record.Results) (all []Table) {
	home := homes(res)
	for _, s := range res.Systems {
		if home(s) != s {
			continue
		}
		stable := "not known"
		if s.StableWrites != nil {
			stable = map[bool]string{true: "yes", false: "no"}[*s.StableWrites]
		}
		t := Table{Title: s.String()}
		for _, fact := range [][2]string{
			{"processor", s.CPU}, {"processors", fmt.Sprint(s.CPUs)}, {"kernel", s.Kernel}, {"platform", s.OS + "/" + s.Arch}, {"Go", s.Go},
			{"file system", s.FileSystem}, {"mount options", s.MountOptions}, {"device", s.Device}, {"device asks for stable pages", stable}, {"below", s.Below},
		} {
			if fact[1] != "" && fact[1] != "/" && fact[1] != "0" {
				t.add(fact[0], fact[1])
			}
		}
		all = append(all, t)
	}
	return all
}
