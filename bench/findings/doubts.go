package findings

import (
	"slices"
	"strings"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

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
			"All figures come from the systems named below, each with one disk and one kernel. Ratios carry over to other systems better than absolute figures, but are no law."},
		{timing(func(c record.Cost) bool {
			return strings.HasPrefix(c.System.Device, "vd") || strings.HasPrefix(c.System.Device, "xvd") || strings.Contains(c.System.CPU, "QEMU")
		}), "The disk is virtual: every timing includes the host's cache, its scheduler and its other guests."},
		{race(func(r record.Repro) bool { return r.Torn == 0 && r.Overlapped > 0 }) || len(res.Proofs) > 0,
			"0 torn of n writes does not mean never. It bounds the rate below 3/n, with 95% confidence, for this mutator on this system. Where several mutators are added up, the bound is for their mixture."},
		{race(func(r record.Repro) bool { return r.Gate && r.Mutator != mutator.None }),
			"Gated changes are made after the kernel accepted a submission and before its completion is reaped. They show what a change in flight does, not how often a program makes such a change."},
		{race(func(r record.Repro) bool {
			return !r.Gate && r.Strategy == stablewrite.Raw && r.Mutator != mutator.None
		}),
			"A free-running mutator may change the buffer between the harness's sum and the submission. Such a raw write counts as torn."},
		{race(func(r record.Repro) bool { return r.Mutator.Restores() }),
			"The share torn by restored changes depends on the hold and on the device. It says nothing about rates outside of this race."},
		{race(func(r record.Repro) bool { return r.Mutator.SelfSummed() }),
			"A write is torn if its media differ from its receipt in CRC-32C. A change to pages that end in their own CRC-32C shows only if it was cut in the middle of a page."},
		{timed, "Intervals describe the rounds of these runs. Another run, after a reboot or on another day, may lie outside of them."},
		{compared(func(c Comparison) bool { return c.Ratio > 0 && !c.Bounded() }), "Ratios without an interval had fewer than six rounds."},
		{timed && !timing(func(c record.Cost) bool { return c.Variant == record.Again }),
			"Raw was not timed against itself, so the size of the noise is not known."},
		{timed && !timing(func(c record.Cost) bool { return c.Cold }),
			"Buffers are hot: they fit the processor's caches, which flatters writers that read them twice."},
		{timing(func(c record.Cost) bool { return c.Variant == record.Copied }),
			"Raw writes the same bytes over and over. A program that produces its data also pays for memory that was just written: see raw, copied."},
		{timing(func(c record.Cost) bool { return c.Backing == "" && !c.Variant.Peer() }),
			"The Records do not say which pages back the buffers. 4 KiB or huge pages can differ more than strategies do."},
		{timing(func(c record.Cost) bool { return c.Mutated > 0 && c.Key().Steps() == 2 }),
			"To make sure that changes are in flight, every writer, raw too, submits in two steps. Compare timings with changed writes with \"nothing changing, in two steps\", and not with writes in one step."},
		{f.unchanged(), "Some timings with a share of changed writes had no change: they were too short for that share."},
		{timing(func(c record.Cost) bool { return c.Mutated > 0 && c.ChangedBlocks == 0 }),
			"A changed write changes in all its blocks, which is the most expensive case to resubmit."},
		{timed, "Processor time is that of the writing program. It leaves out kernel threads, which write back the page cache or complete I/O."},
		{timed, "The kernel divides processor time into user and system by ticks of some milliseconds: for writers that mostly sleep only the sum means something."},
		{timing(func(c record.Cost) bool { return !c.Strategy.Direct() }),
			"The page cache merges writes into larger ones, so writers through it gain from rare Syncs."},
		{timing(func(c record.Cost) bool { return c.P50NS > 0 }),
			"Latency is measured by writers that wait for a write before they begin the next, so a stalled disk also delays the writes that would have measured the stall."},
		{timing(func(c record.Cost) bool { return c.Target.Simulated() }),
			"The targets null and delay are memory. They show the cost of the software, not of a disk."},
		{timing(func(c record.Cost) bool { return c.Variant.Peer() }),
			"Other programs are timed by their own clocks and write their own data: dd zeros, fio the data of its start (its buffers are not scrambled)."},
		{slices.ContainsFunc(res.Proofs, func(r record.Prove) bool { return r.Accel == "tcg" }),
			"QEMU emulates processors, without AVX-512, and disks are files. A failure there is a real failure; its rate elsewhere is not shown."},
	} {
		if d.applies {
			texts = append(texts, d.text)
		}
	}
	return texts
}

// unchanged reports whether a kind of writes that should have been changed in part saw
// no change.
func (f Findings) unchanged() bool {
	return slices.ContainsFunc(f.On, func(on System) bool {
		all := which(on.Timings, func(c record.Cost) bool { return c.Mutated > 0 && c.Writes > 0 })
		return slices.ContainsFunc(parted(all, func(c record.Cost) record.CostKey { return c.Key().Base() }), func(kind []record.Cost) bool {
			return !slices.ContainsFunc(kind, func(c record.Cost) bool { return c.Overlapped+c.Changed > 0 })
		})
	})
}
