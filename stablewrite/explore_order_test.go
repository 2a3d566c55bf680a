package stablewrite

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// outcome has all that may differ between schedules: the content that each read of each
// block saw, and the results.
type outcome struct {
	seen       [maxBlocks]uint64
	legs       [2][maxBlocks]content
	held       [maxBlocks]name
	sums       [maxBlocks]uint32
	good       int
	err        string
	changed    string
	violations int
	torn       uint
}

func (s *simulation) outcome() (o outcome) {
	fl := s.parts[0]
	o = outcome{seen: s.seen, held: s.held, sums: s.sums, good: fl.good, violations: s.violations, torn: s.tornParts}
	for leg := range s.media {
		o.legs[leg] = s.media[leg].now
	}
	o.err, o.changed = fmt.Sprint(fl.err), fmt.Sprint(fl.changed)
	return o
}

// outcomes returns the outcomes of all programs of at most so many steps, and of the
// empty one.
func outcomes(e exploration, d *simulatedDevice, steps int, every bool) (all map[outcome]int, runs int) {
	all = map[outcome]int{}
	for _, p := range append(programs(2, steps), make(program, 2)) {
		s := newSimulation(e, d, arbitrary, 2, 1)
		s.every = every
		s.walk(p, func() {
			all[s.outcome()]++
			runs++
		})
	}
	return all, runs
}

// The walk takes one order of each schedule. This test takes all orders: steps come
// before reads of other blocks, too, and devices fetch blocks in any order. The
// outcomes are the same.
func TestOrdersThatCommuteAreOneSchedule(t *testing.T) {
	t.Parallel()
	for _, e := range explorations() {
		if e.others {
			continue
		}
		t.Run(strings.ReplaceAll(e.name, "`", ""), func(t *testing.T) {
			t.Parallel()
			for k := range simulatedDevices {
				compareOrders(t, e, simulatedDevices[k])
			}
		})
	}
}

func compareOrders(t *testing.T, e exploration, d simulatedDevice) {
	steps := mostSteps(maxSteps)
	if d.faults != nil {
		d.faults, steps = func(int) int { return 1 }, steps-1
	}
	one, schedules := outcomes(e, &d, steps, false)
	every, orders := outcomes(e, &d, steps, true)
	t.Logf("%-14s %7d orders, %6d schedules, %6d outcomes", d.name, orders, schedules, len(one))
	if len(one) != len(every) {
		t.Errorf("%s: %d outcomes of all %d orders, %d of one order of each schedule", d.name, len(every), orders, len(one))
	}
	for o := range every {
		if one[o] == 0 {
			t.Fatalf("%s: missed %+v", d.name, o)
		}
	}
}

// Segments of one write that are under way together: they share a File
// and a Device and nothing else, in whichever order they go on.
func TestEveryScheduleOfOverlappedSegments(t *testing.T) {
	t.Parallel()
	rows := slices.DeleteFunc(explorations(), func(e exploration) bool {
		return e.others || e.joins // a segment of one block has nothing to join
	})
	devices := slices.DeleteFunc(slices.Clone(simulatedDevices), func(d simulatedDevice) bool {
		// These devices complete, fail at times, and refuse. The ways in which other devices
		// read memory make no difference between segments.
		return d.name != "plain" && d.name != "split" && d.name != "T10 PI"
	})
	if smaller() {
		devices = devices[:1]
	}
	for _, x := range explore(rows, devices, func(*simulatedDevice) []int { return []int{2} }, 2, true) {
		x.check(t)
	}
}
