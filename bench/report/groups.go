package report

import (
	"fmt"
	"strings"

	"stablepages/bench/record"
)

// group is what was found on one system.
type group struct {
	system     *record.System
	races      []record.Repro
	costs      []record.Cost
	precisions []record.Precision
}

// groups parts res by system, in order of appearance.
func groups(res Results) (all []group) {
	homes := homes(res)
	at := map[*record.System]int{}
	of := func(s *record.System) *group {
		s = homes[s]
		i, ok := at[s]
		if !ok {
			i, at[s] = len(all), len(all)
			all = append(all, group{system: s})
		}
		return &all[i]
	}
	for _, r := range res.Races {
		g := of(r.System)
		g.races = append(g.races, r)
	}
	for _, r := range res.Costs {
		g := of(r.System)
		g.costs = append(g.costs, r)
	}
	for _, r := range res.Precisions {
		g := of(r.System)
		g.precisions = append(g.precisions, r)
	}
	return all
}

// homes says to which System what was measured on another belongs: a device that
// exists in memory only lies on nothing, and what it shows is of the machine.
func homes(res Results) map[*record.System]*record.System {
	var all []*record.System
	home := map[*record.System]*record.System{}
	see := func(s *record.System) {
		if home[s] == nil {
			home[s], all = s, append(all, s)
		}
	}
	for _, r := range res.Races {
		see(r.System)
	}
	for _, r := range res.Costs {
		see(r.System)
	}
	for _, r := range res.Precisions {
		see(r.System)
	}
	first := map[record.System]*record.System{} // that lies on something, by machine
	for _, s := range all {
		if lying(s) != "" && first[machine(*s)] == nil {
			first[machine(*s)] = s
		}
	}
	for _, s := range all {
		if on := first[machine(*s)]; lying(s) == "" && on != nil {
			home[s] = on
		}
	}
	return home
}

// machine is s but for what was written to.
func machine(s record.System) record.System {
	s.FileSystem, s.MountOptions, s.Device, s.StableWrites = "", "", "", nil
	return s
}

// describe names s in a line.
func describe(s *record.System) string {
	var parts []string
	if s.Kernel != "" {
		name := s.OS
		if name == "linux" || name == "" {
			name = "Linux"
		}
		parts = append(parts, name+" "+s.Kernel)
	}
	if on := lying(s); on != "" {
		parts = append(parts, on)
	}
	if s.CPUs > 0 {
		parts = append(parts, strings.TrimSuffix(fmt.Sprintf("%d x %s", s.CPUs, s.CPU), " x "))
	}
	if s.Go != "" {
		parts = append(parts, s.Go)
	}
	if len(parts) == 0 {
		return "A system that is not known"
	}
	return strings.Join(parts, ", ")
}

// lying is the file system and the device of s.
func lying(s *record.System) string {
	switch {
	case s.FileSystem == "":
		return s.Device
	case s.Device == "":
		return s.FileSystem
	}
	return s.FileSystem + " on " + s.Device
}
