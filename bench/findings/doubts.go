package findings

import (
	"slices"
	"strings"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// doubts lists the reasons to doubt that apply to f.
func doubts(f Findings) (texts []string) {
	res := f.Results
	race := func(so func(record.Repro) bool) bool { return slices.ContainsFunc(res.Races, so) }
	timing := func(so func(record.Cost) bool) bool { return slices.ContainsFunc(res.Costs, so) }
	compared := func(so func(Comparison) bool) bool {
		return slices.ContainsFunc(f.On, func(on System) bool { return slices.ContainsFunc(on.sets, func(s costSet) bool { return s.has(so) }) })
	}
	timed := len(res.Costs) > 0
	for _, d := range []struct {
		applies bool
		text    string
	}{
		{len(res.Races)+len(res.Costs)+len(res.Precisions) > 0,
			"All of this is of the systems named below, each with one disk and one kernel. Ratios travel better than absolute figures, and neither is a law."},
		{timing(func(c record.Cost) bool {
			return strings.HasPrefix(c.System.Device, "vd") || strings.HasPrefix(c.System.Device, "xvd") || strings.Contains(c.System.CPU, "QEMU")
		}), "The disk is a virtual one: the host's cache, its scheduler and its other guests are in every timing."},
		{race(func(r record.Repro) bool { return r.Torn == 0 && r.Overlapped > 0 }) || len(res.Proofs) > 0,
			"0 torn of n writes does not say never. It bounds the rate below 3/n, with 95% confidence, and for this mutator on this system only. Where several mutators are added up, it is of their mixture, as they were raced."},
		{race(func(r record.Repro) bool { return r.Gate && r.Mutator != mutator.None }),
			"Gated changes are made after the kernel accepted a submission and before its completion is reaped. They show what a change in flight does, not how often a program makes one."},
		{race(func(r record.Repro) bool {
			return !r.Gate && r.Strategy == stablewrite.Raw && r.Mutator != mutator.None
		}),
			"A mutator that runs free may change the buffer before the submission. Of raw writes, whose sum the harness takes before it, such a change counts as torn, too."},
		{race(func(r record.Repro) bool { return r.Mutator.Restores() }),
			"How much is torn where a change is restored depends on how long it is held, and on the device. It is no rate of anything outside of this race."},
		{race(func(r record.Repro) bool { return r.Mutator.SelfSummed() }),
			"A write is torn if its media differ from its receipt in CRC-32C. Of changes to pages that end in their own CRC-32C only those show that were cut in the middle of a page."},
		{timed, "Intervals hold for the rounds of these runs. Another run, after a reboot or on another day, may lie outside of them."},
		{compared(func(c Comparison) bool { return c.Ratio > 0 && !c.Bounded() }), "Where there is no interval there were fewer than six rounds."},
		{timed && !timing(func(c record.Cost) bool { return c.Variant == record.Again }),
			"Raw was not timed against itself: nothing tells how much of a difference is noise."},
		{timed && !timing(func(c record.Cost) bool { return c.Cold }),
			"Buffers are hot, small enough for the processor's caches, which flatters writers that read them twice."},
		{timing(func(c record.Cost) bool { return c.Variant == record.Copied }),
			"Raw writes the same bytes over and over. A program that makes its data pays for memory that was just written as well: see raw, copied."},
		{timing(func(c record.Cost) bool { return c.Backing == "" && !c.Variant.Peer() }),
			"Which pages back the buffers was not recorded. 4 KiB or huge pages can make more difference than strategies."},
		{timing(func(c record.Cost) bool { return c.Mutated > 0 && c.Key().Steps() == 2 }),
			"Changes that are in flight for certain need a submission in two steps, by every writer, raw too. Compare timings in which writes change with those of \"nothing changing, in two steps\", if there are any, and not with writes in one step."},
		{f.unchanged(), "Some timings of a share of changed writes saw no change: they were too short for that share."},
		{timing(func(c record.Cost) bool { return c.Mutated > 0 && c.ChangedBlocks == 0 }),
			"A changed write changes in all its blocks, which costs most to resubmit."},
		{timed, "Processor time is the writing program's. Kernel threads, which write the page cache back or complete I/O, are not in it."},
		{timed, "The kernel counts in ticks of some milliseconds how processor time divides into user and system: of writers that sleep for most of the time only the sum means something."},
		{timing(func(c record.Cost) bool { return !c.Strategy.Direct() }),
			"Through the page cache the kernel merges writes into larger ones, and a file that is synced less often fares better."},
		{timing(func(c record.Cost) bool { return c.P50NS > 0 }),
			"Latency is measured by writers who wait for one write before they begin the next: a stalled disk delays the writes that it would have been measured by."},
		{timing(func(c record.Cost) bool { return c.Target.Simulated() }),
			"The targets null and delay are memory. They show what the software costs, and no disk."},
		{timing(func(c record.Cost) bool { return c.Variant.Peer() }),
			"Other programs are timed by their own clocks and write what they like: dd zeros, fio what it made at its start (its buffers are not scrambled)."},
		{slices.ContainsFunc(res.Proofs, func(r record.Prove) bool { return r.Accel == "tcg" }),
			"Inside QEMU processors are emulated, without AVX-512, and disks are files. What is seen to fail does fail; how often it would elsewhere is not shown."},
	} {
		if d.applies {
			texts = append(texts, d.text)
		}
	}
	return texts
}

// unchanged reports whether there is a kind of writes of which some should have been
// changed, and none was.
func (f Findings) unchanged() bool {
	return slices.ContainsFunc(f.On, func(on System) bool {
		all := slices.DeleteFunc(slices.Clone(on.Timings), func(c record.Cost) bool { return c.Mutated == 0 || c.Writes == 0 })
		return slices.ContainsFunc(parted(all, func(c record.Cost) record.CostKey { return c.Key().Base() }), func(kind []record.Cost) bool {
			return !slices.ContainsFunc(kind, func(c record.Cost) bool { return c.Overlapped+c.Changed > 0 })
		})
	})
}
