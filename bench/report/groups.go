package report

import (
	"fmt"
	"slices"
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
	of := func(s *record.System) *group {
		s = homes[s]
		i := slices.IndexFunc(all, func(g group) bool { return g.system == s })
		if i < 0 {
			i, all = len(all), append(all, group{system: s})
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
	see := func(s *record.System) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	for _, r := range res.Races {
		see(r.System)
	}
	var last *record.System
	for _, r := range res.Costs {
		if r.System != last {
			see(r.System)
			last = r.System
		}
	}
	for _, r := range res.Precisions {
		see(r.System)
	}
	home := map[*record.System]*record.System{}
	for _, s := range all {
		home[s] = s
		if s.FileSystem != "" || s.Device != "" {
			continue
		}
		for _, other := range all {
			if machine(*other) == machine(*s) && (other.FileSystem != "" || other.Device != "") {
				home[s] = other
				break
			}
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
