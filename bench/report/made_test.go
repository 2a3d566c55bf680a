package report

import (
	"math/rand/v2"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// made is Records of what no evaluation has measured yet. Every value is made up.
func made() (all []any) {
	system := &record.System{CPU: "Made up", CPUs: 2, OS: "linux", Arch: "amd64", Kernel: "0.0-made-up", Go: "go0", FileSystem: "ext4", MountOptions: "rw", Device: "sdx"}
	memory := machine(*system)
	noise := rand.New(rand.NewPCG(1, 2))
	all = append(all, madeRaces(system)...)
	for round := 1; round <= 7; round++ {
		for _, size := range []int{4 << 10, 1 << 20} {
			for _, at := range []struct {
				target record.Target
				cold   bool
				system *record.System
			}{{record.OnFile, false, system}, {record.OnFile, true, system}, {record.OnNull, false, &memory}, {record.OnDelay, false, &memory}} {
				for _, c := range madeWriters() {
					if at.target != record.OnFile || at.cold {
						if c.Mutated > 0 || c.TwoSteps || c.Variant.Peer() || size > 4<<10 {
							continue
						}
					}
					c.Kind, c.Version, c.Size, c.Depth, c.Round, c.Backing = record.KindCost, record.Version, size, 1, round, "4k"
					c.Target, c.Cold, c.System = at.target, at.cold, at.system
					switch {
					case c.Variant.Peer():
						c.Backing = ""
					case c.Variant == record.Huge:
						c.Backing = "huge"
					}
					if c.Strategy == stablewrite.Bounce {
						c.Private, c.PoolPeak = "huge", size
					}
					if c.Target == record.OnFile {
						c.Engine = "ring"
						c.Written, c.Extents = stablewrite.DirectYes, new(round)
					}
					if c.Target == record.OnDelay {
						c.DelayLatencyNS, c.DelayBytesPerSecond = 2000, 2e9
					}
					if c.Mutated > 0 && c.Strategy != stablewrite.Raw {
						c.Checked = 128
					}
					c.Writes, c.Bytes = 1000, 1000*int64(size)
					c.Seconds *= float64(size) / 1e9 * (1000 + 20*noise.Float64())
					c.P50NS = int64(c.Seconds * 1e6)
					c.P99NS, c.P999NS = 3*c.P50NS, 11*c.P50NS
					c.CPUUserSeconds, c.CPUSystemSeconds = c.Seconds/4, c.Seconds/8
					all = append(all, c)
				}
			}
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
	first := 1.5
	for _, w := range []record.Watch{
		{Comm: "madeup", PID: 100, Memory: record.Anonymous, Device: "sdx1", File: "/made/up/log", Writes: 1000, Changed: 46, Blocks: 4000, BlocksChanged: 50, Truncated: 3, FirstSeconds: &first,
			Layers:  []record.Layer{{Name: "xfs"}, {Name: "md raid1", Device: "md0"}, {Name: "disk", Device: "sdx"}},
			Example: &record.Change{Sector: 2048, Bytes: 16384, Block: 2, Blocks: 1, InFlightNS: 1234567, Stack: []string{"pwrite+0x1 (libmade.so)", "madeup+0x1234"}}},
		{Comm: "<b>other", PID: 101, Memory: record.PageCache, Device: "sdx1", Writes: 10, Changed: 1, Blocks: 10, BlocksChanged: 1, FirstSeconds: &first},
		{Cgroup: "/made/up", Memory: record.KernelOwn, Device: "sdx1", Writes: 5, Blocks: 5},
	} {
		w.Kind, w.Direct, w.Sample, w.MaxBlocks, w.Bios, w.Seconds, w.System, w.Version = record.KindWatch, w.Memory.Directness(), 16, 256, 20000, 60, system, record.Version
		all = append(all, w)
	}
	return all
}

// madeWriters have times relative to raw's in Seconds.
func madeWriters() (all []record.Cost) {
	for _, v := range []record.Variant{"", record.Again, record.Huge, record.Summed, record.FioPsync, record.DD} {
		all = append(all, record.Cost{Strategy: stablewrite.Raw, Variant: v, Seconds: 1, Amplification: 1})
	}
	for _, c := range []record.Cost{
		{Strategy: stablewrite.Raw}, {Strategy: stablewrite.Raw, Variant: record.Again}, {Strategy: stablewrite.Verify, Seconds: 0.1}, {Strategy: stablewrite.Bounce, Seconds: 0.25},
	} {
		c.TwoSteps, c.Amplification, c.Seconds = true, 1, c.Seconds+1.05
		all = append(all, c)
	}
	for _, share := range []float64{0, 0.01, 0.1, 0.5, 1} {
		if share > 0 {
			for _, v := range []record.Variant{"", record.Again} {
				all = append(all, record.Cost{Strategy: stablewrite.Raw, Variant: v, Mutated: share, Seconds: 1, Amplification: 1})
			}
		}
		all = append(all,
			record.Cost{Strategy: stablewrite.Verify, Mutated: share, Seconds: 1.1 + share, Amplification: 1 + share},
			record.Cost{Strategy: stablewrite.Bounce, Mutated: share, Seconds: 1.25, Amplification: 1})
	}
	return all
}

func madeRaces(system *record.System) (all []any) {
	race := record.Repro{Kind: record.KindRepro, Strategy: stablewrite.Verify, Gate: true, Writes: 200, Overlapped: 200, Seconds: 1, System: system, Written: stablewrite.DirectYes, Version: record.Version}
	for i, hold := range []time.Duration{0, time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond} {
		for k, size := range []int{4 << 10, 64 << 10, 1 << 20} {
			r := race
			r.Mutator, r.HoldNS, r.Size, r.Torn = mutator.ABA, hold.Nanoseconds(), size, 200*i*(k+1)/15
			all = append(all, r)
		}
		all = append(all, record.Precision{
			Kind: record.KindPrecision, Strategy: stablewrite.Verify, Mutator: mutator.ABA, HoldNS: hold.Nanoseconds(), Size: 1 << 20,
			Writes: 200, Blocks: 51200, Torn: 40 * i, Resubmitted: 50 * (5 - i), Both: 8 * i, System: system, Version: record.Version,
		})
	}
	free := race
	free.Strategy, free.Mutator, free.Gate, free.Size, free.Overlapped, free.Torn = stablewrite.Raw, mutator.Stock, false, 1<<20, 3, 3
	raw, sum := race, race
	raw.Strategy, raw.Mutator, raw.Size, raw.Torn = stablewrite.Raw, mutator.CRCPage, 1<<20, 190
	sum.Detect, sum.Mutator, sum.Size, sum.Torn = stablewrite.BySum, mutator.CRCPage, 1<<20, 180
	digest := sum
	digest.Detect, digest.Torn, digest.Resubmitted, digest.Changed = stablewrite.ByDigest, 0, 200, 200
	return append(all, free, raw, sum, digest)
}
