package report

import (
	"time"

	"stablepages/bench/findings"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// small returns one or a few Records for each part of a report, with made-up values.
func small() (all []any) {
	system := &record.System{CPU: "Made up", CPUs: 2, OS: "linux", Arch: "amd64", Kernel: "0.0-made-up", Go: "go0", FileSystem: "ext4", MountOptions: "rw", Device: "sdx"}
	memory := *system
	memory.FileSystem, memory.MountOptions, memory.Device = "", "", ""
	race := record.Repro{Kind: record.KindRepro, Gate: true, Size: 1 << 20, Writes: 200, Overlapped: 200, Seconds: 1, System: system, Written: stablewrite.DirectYes, Version: record.Version}
	for _, r := range []record.Repro{
		{Strategy: stablewrite.Raw, Mutator: mutator.CRCPage, Torn: 190},
		{Strategy: stablewrite.Verify, Mutator: mutator.CRCPage, Resubmitted: 200, Changed: 200},
		{Strategy: stablewrite.Verify, Mutator: mutator.CRCPage, Detect: stablewrite.BySum, Torn: 180},
		{Strategy: stablewrite.Verify, Mutator: mutator.ABA, HoldNS: int64(time.Millisecond), Torn: 160},
		{Strategy: stablewrite.Verify, Mutator: mutator.ABA, HoldNS: 0},
		{Strategy: stablewrite.Detect, Mutator: mutator.CRCPage, WriteErrors: 200, Refused: 200},
		{Strategy: stablewrite.Bounce, Mutator: mutator.CRCPage},
		{Strategy: stablewrite.Bounce, Mutator: mutator.ABA, HoldNS: int64(time.Millisecond)},
	} {
		one := race
		one.Strategy, one.Detect, one.Mutator, one.HoldNS = r.Strategy, r.Detect, r.Mutator, r.HoldNS
		one.Changed, one.Resubmitted, one.Torn, one.WriteErrors, one.Refused = r.Changed, r.Resubmitted, r.Torn, r.WriteErrors, r.Refused
		all = append(all, one)
	}
	free := race
	free.Strategy, free.Mutator, free.Gate, free.Overlapped, free.Torn = stablewrite.Raw, mutator.Stock, false, 3, 3
	all = append(all, free, record.Precision{
		Kind: record.KindPrecision, Strategy: stablewrite.Verify, Mutator: mutator.ABA, HoldNS: int64(time.Millisecond), Size: 1 << 20,
		Writes: 200, Blocks: 51200, Torn: 160, Resubmitted: 50, Both: 32, System: system, Version: record.Version,
	})
	for round := 1; round <= 9; round++ {
		for i, c := range []record.Cost{
			{Strategy: stablewrite.Raw, Seconds: 1}, {Strategy: stablewrite.Raw, Variant: record.Again, Seconds: 1}, {Strategy: stablewrite.Raw, Variant: record.Huge, Seconds: 0.9},
			{Strategy: stablewrite.Verify, Seconds: 1.1}, {Strategy: stablewrite.Bounce, Seconds: 1.25}, {Strategy: stablewrite.Raw, Variant: record.FioPsync, Seconds: 1},
			{Strategy: stablewrite.Raw, Mutated: 1, Seconds: 1}, {Strategy: stablewrite.Verify, Mutated: 0.5, Seconds: 1.6}, {Strategy: stablewrite.Bounce, Mutated: 0.5, Seconds: 1.25},
			{Strategy: stablewrite.Verify, Mutated: 1, Seconds: 2.1}, {Strategy: stablewrite.Bounce, Mutated: 1, Seconds: 1.25},
			{Strategy: stablewrite.Raw, Target: record.OnNull, Seconds: 0.01}, {Strategy: stablewrite.Verify, Target: record.OnNull, Seconds: 0.1},
			{Strategy: stablewrite.Raw, Target: record.OnDelay, Seconds: 1}, {Strategy: stablewrite.Verify, Target: record.OnDelay, Seconds: 1},
		} {
			c.Kind, c.Version, c.Size, c.Depth, c.Round, c.Backing, c.System = record.KindCost, record.Version, 64<<10, 4, round, "4k", &memory
			c.Writes, c.Bytes, c.Amplification = 1000, 1000*64<<10, 1+c.Mutated
			c.Seconds *= 0.065 * (1 + 0.01*float64((round*7+i*5)%6))
			c.P50NS, c.P99NS, c.P999NS = int64(c.Seconds*1e6), int64(c.Seconds*3e6), int64(c.Seconds*1.1e7)
			c.CPUUserSeconds, c.CPUSystemSeconds = c.Seconds/4, c.Seconds/8
			switch c.Target {
			case record.OnDelay:
				c.DelayLatencyNS, c.DelayBytesPerSecond = 2000, 2e9
			case "":
				c.Target, c.System, c.Engine, c.Written, c.Extents = record.OnFile, system, "ring", stablewrite.DirectYes, new(round)
			}
			if c.Strategy == stablewrite.Bounce {
				c.Private, c.PoolPeak = "huge", 256<<10
			}
			if c.Mutated > 0 && c.Strategy != stablewrite.Raw {
				c.Checked = 128
			}
			all = append(all, c)
		}
	}
	proof, first := race, 0.06
	proof.Kind, proof.System = record.KindProve, &record.System{CPU: "QEMU", CPUs: 2}
	for _, kernel := range []string{"6.1-cloud-amd64", "7.3-cloud-amd64"} {
		for _, s := range []stablewrite.Strategy{stablewrite.Raw, stablewrite.Bounce} {
			r := record.Prove{Repro: proof, Scenario: record.Race, Kernel: kernel, Origin: "made up", Victim: "btrfs", Needs: true, Accel: "tcg", WrittenBy: record.ByGate}
			r.Strategy, r.Mutator = s, mutator.Storm
			switch {
			case kernel[0] == '7':
				r.Written = stablewrite.DirectBounced
			case s == stablewrite.Raw:
				r.Torn, r.ReadErrors, r.FirstFailure, r.Evidence = 120, 110, &first, []string{"BTRFS warning: csum failed"}
			}
			all = append(all, r)
		}
	}
	all = append(all, record.Probe{
		Kind: record.KindProbe, Path: "/made/up", MemAlign: 512, OffsetAlign: 512, AlignSource: "made up", Written: stablewrite.DirectYes,
		Measured: "the device", Writes: 64, Reached: 60, System: system, Version: record.Version,
	})
	for i, g := range []record.Guard{{File: "/made/up/data", Opens: 12}, {File: "/made/up/log", Opens: 1, Cleared: 2}, {Refused: 1}} {
		g.Kind, g.Comm, g.PID, g.Stops, g.Seconds, g.System, g.Version = record.KindGuard, "madeup", 100+i, 49, 60, system, record.Version
		all = append(all, g)
	}
	seen := 1.5
	for _, w := range []record.Watch{
		{Comm: "madeup", PID: 100, Memory: record.Anonymous, Device: "sdx1", File: "/made/up/log", Writes: 1000, Changed: 46, Blocks: 4000, BlocksChanged: 50, Truncated: 3, FirstSeconds: &seen,
			Layers:  []record.Layer{{Name: "xfs"}, {Name: "md raid1", Device: "md0"}, {Name: "disk", Device: "sdx"}},
			Example: &record.Change{Sector: 2048, Bytes: 16384, Block: 2, Blocks: 1, InFlightNS: 1234567, Stack: []string{"pwrite+0x1 (libmade.so)", "madeup+0x1234"}}},
		{Comm: "<b>other", PID: 101, Memory: record.PageCache, Device: "sdx1", Writes: 10, Changed: 1, Blocks: 10, BlocksChanged: 1, FirstSeconds: &seen},
		{Cgroup: "/made/up", Memory: record.KernelOwn, Device: "sdx1", Writes: 5, Blocks: 5},
	} {
		w.Kind, w.Direct, w.Sample, w.MaxBlocks, w.Bios, w.Seconds, w.System, w.Version = record.KindWatch, w.Memory.Directness(), 16, 256, 20000, 60, system, record.Version
		all = append(all, w)
	}
	return all
}

// found returns the findings of recs.
func found(recs ...any) findings.Findings {
	var res record.Results
	for _, r := range recs {
		res.Add(r)
	}
	return findings.Of(res)
}
