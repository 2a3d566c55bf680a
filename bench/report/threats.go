package report

import (
	"slices"
	"strings"

	"stablepages/bench/cost"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// threat is a reason to doubt, of those Results to which it applies.
type threat struct {
	text    string
	applies func(Results) bool
}

// threatsTo lists those to res.
func threatsTo(res Results) (texts []string) {
	for _, t := range threats {
		if t.applies(res) {
			texts = append(texts, t.text)
		}
	}
	return texts
}

var threats = []threat{
	{"What is shown is of the systems named below, each with one disk and one kernel. Ratios travel better than absolute figures, and neither is a law.",
		func(res Results) bool { return len(res.Races)+len(res.Costs)+len(res.Precisions) > 0 }},
	{"The disk is a virtual one: the host's cache, its scheduler and its other guests are in every timing.",
		func(res Results) bool {
			return len(res.Costs) > 0 && slices.ContainsFunc(groups(res), func(g group) bool {
				return strings.HasPrefix(g.system.Device, "vd") || strings.HasPrefix(g.system.Device, "xvd") || strings.Contains(g.system.CPU, "QEMU")
			})
		}},
	{"0 torn of n writes does not say never. It bounds the rate below 3/n, with 95% confidence, and for this mutator on this system only. Where several mutators are added up, it is of their mixture, as they were raced.",
		func(res Results) bool {
			return race(func(r record.Repro) bool { return r.Torn == 0 && r.Overlapped > 0 })(res) || len(res.Proofs) > 0
		}},
	{"Gated changes are made after the kernel accepted a submission and before its completion is reaped. They show what a change in flight does, not how often a program makes one.",
		race(func(r record.Repro) bool { return r.Gate && r.Mutator != mutator.None })},
	{"A mutator that runs free may change the buffer before the submission. Of raw writes, whose sum the harness takes before it, such a change counts as torn, too.",
		race(func(r record.Repro) bool {
			return !r.Gate && r.Strategy == stablewrite.Raw && r.Mutator != mutator.None
		})},
	{"How much is torn where a change is restored depends on how long it is held, and on the device. It is no rate of anything outside of this race.",
		race(func(r record.Repro) bool { return r.Mutator.Restores() })},
	{"A write is torn if its media differ from its receipt in CRC-32C. Of changes to pages that end in their own CRC-32C only those show that were cut in the middle of a page.",
		race(func(r record.Repro) bool { return r.Mutator.SelfSummed() })},
	{"Intervals hold for the rounds of these runs. Another run, after a reboot or on another day, may lie outside of them.", timing(nil)},
	{"Where there is no interval there were fewer than six rounds.", compared(func(c cost.Comparison) bool { return c.Ratio > 0 && !bounded(c) })},
	{"Raw was not timed against itself: nothing tells how much of a difference is noise.", func(res Results) bool {
		return len(res.Costs) > 0 && !timing(func(c record.Cost) bool { return c.Variant == record.Again })(res)
	}},
	{"Buffers are hot, small enough for the processor's caches, which flatters what reads them twice.", func(res Results) bool {
		return len(res.Costs) > 0 && !timing(func(c record.Cost) bool { return c.Cold })(res)
	}},
	{"Raw writes the same bytes over and over. A program that makes its data pays for memory that was just written as well: see raw, copied.",
		timing(func(c record.Cost) bool { return c.Variant == record.Copied })},
	{"What pages back the buffers was not recorded. 4 KiB or huge pages can make more difference than strategies.",
		timing(func(c record.Cost) bool { return c.Backing == "" && !c.Variant.Peer() })},
	{"Changes that are in flight for certain need a submission in two steps, by every writer, raw too. Columns in which writes change are to be held against \"nothing changing, in two steps\", if that was timed, and not against writes in one step.",
		timing(func(c record.Cost) bool { return c.Mutated > 0 && inTwoSteps(cost.CellOf(c)) })},
	{"Some timings of a share of changed writes saw no change: they were too short for that share.", unchanged},
	{"A changed write changes in all its blocks, which is what costs most to resubmit.",
		timing(func(c record.Cost) bool { return c.Mutated > 0 && c.ChangedBlocks == 0 })},
	{"Processor time is the writing program's. Kernel threads, which write the page cache back or complete I/O, are not in it.", timing(nil)},
	{"How processor time divides into user and system is counted in ticks of the kernel, of some milliseconds each: of writers that sleep for most of the time only the sum means something.", timing(nil)},
	{"Through the page cache the kernel merges writes into larger ones, and a file that is synced less often fares better.",
		timing(func(c record.Cost) bool { return !c.Strategy.Direct() })},
	{"Latency is measured by writers who wait for one write before they begin the next: a stalled disk delays the writes that it would have been measured by.",
		timing(func(c record.Cost) bool { return c.P50NS > 0 })},
	{"The targets null and delay are memory. They show what the software costs, and no disk.",
		timing(func(c record.Cost) bool { return c.Target == record.OnNull || c.Target == record.OnDelay })},
	{"Other programs are timed by their own clocks and write what they like: dd zeros, fio what it made at its start (its buffers are not scrambled).", timing(func(c record.Cost) bool { return c.Variant.Peer() })},
	{"Inside QEMU processors are emulated, without AVX-512, and disks are files. What is seen to fail does fail; how often it would elsewhere is not shown.",
		func(res Results) bool {
			return slices.ContainsFunc(res.Proofs, func(r record.Prove) bool { return r.Accel == "tcg" })
		}},
}

// race is whether there is a race that is so.
func race(so func(record.Repro) bool) func(Results) bool {
	return func(res Results) bool { return slices.ContainsFunc(res.Races, so) }
}

// timing is whether there is a timing that is so; nil: whether there is one.
func timing(so func(record.Cost) bool) func(Results) bool {
	return func(res Results) bool {
		if so == nil {
			return len(res.Costs) > 0
		}
		return slices.ContainsFunc(res.Costs, so)
	}
}

// unchanged is whether no write at all of some kind was changed, of which some should
// have been.
func unchanged(res Results) bool {
	for _, g := range groups(res) {
		changed := map[cost.Cell]bool{}
		for _, c := range g.costs {
			if c.Mutated > 0 && c.Writes > 0 {
				kind := cost.CellOf(c).Base()
				changed[kind] = changed[kind] || c.Overlapped > 0 || c.Changed > 0
			}
		}
		for _, seen := range changed {
			if !seen {
				return true
			}
		}
	}
	return false
}

// compared is whether there is a timing that is so, over all rounds.
func compared(so func(cost.Comparison) bool) func(Results) bool {
	return func(res Results) bool {
		return slices.ContainsFunc(groups(res), func(g group) bool { return slices.ContainsFunc(cost.Compare(g.costs), so) })
	}
}
