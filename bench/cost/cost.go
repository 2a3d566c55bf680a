package cost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Plan says what to time.
type Plan struct {
	Target     *os.File // overwritten from its start
	Strategies []stablewrite.Strategy
	Sizes      []int // bytes of each write
	Depths     []int // writers at a time, each with one write in flight
	Rounds     int
	Time       time.Duration // of each cell, before its Sync
}

// regionBytes is the part of the target that is written, from start to end and
// around, small enough to be filled in a moment. Where the largest writes at the
// largest depth need more, they get more.
const regionBytes = 64 << 20

// region is what p writes to.
func (p Plan) region() int64 {
	return max(regionBytes, int64(slices.Max(p.Sizes))*int64(slices.Max(p.Depths)))
}

// Cells is how many cells a Plan has, warm-up included.
func (p Plan) Cells() int {
	return len(p.Strategies) * len(p.Sizes) * len(p.Depths) * (p.Rounds + 1)
}

// Run times every cell and hands each one to emit. The first round, round 0,
// warms up and is not handed on. Progress, if not nil, is called before every
// cell.
func Run(ctx context.Context, p Plan, progress func(), emit func(record.Cost) error) error {
	if err := fill(p.Target, p.region()); err != nil {
		return fmt.Errorf("filling %d MiB to overwrite: %w", p.region()>>20, err)
	}
	system := record.SystemOf(p.Target)
	// All strategies write the same memory: whether the kernel backs it with 4
	// KiB or huge pages makes more difference than they do.
	buffers := make([][]byte, slices.Max(p.Depths))
	for i := range buffers {
		buffers[i] = pattern(slices.Max(p.Sizes))
	}
	for round := range p.Rounds + 1 {
		for _, size := range p.Sizes {
			for _, depth := range p.Depths {
				for i := range p.Strategies {
					s := p.Strategies[(i+round+len(p.Strategies)-1)%len(p.Strategies)] // round 1 begins with the first
					if err := ctx.Err(); err != nil {
						return err
					}
					if progress != nil {
						progress()
					}
					rec, err := p.cell(s, size, buffers[:depth])
					if err != nil {
						return fmt.Errorf("%v, %d bytes, depth %d: %w", s, size, depth, err)
					}
					if round == 0 {
						continue
					}
					rec.Round, rec.System = round, system
					if err := emit(rec); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// fill writes the region once: the first write of a block allocates it, which
// is not what is being timed.
func fill(target *os.File, region int64) error {
	f, err := stablewrite.New(target, stablewrite.Options{Strategy: stablewrite.Raw, RequireDirect: true})
	if err != nil {
		return err
	}
	defer f.Close()
	p := pattern(1 << 20)
	for off := int64(0); off < region; off += int64(len(p)) {
		if _, err := f.WriteAt(p, off); err != nil {
			return err
		}
	}
	return f.Sync()
}

// pattern is a buffer that neither compresses nor is all zeros.
func pattern(n int) []byte {
	p := stablewrite.AlignedBuffer(n)
	x := uint32(2463534242)
	for i := range p {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		p[i] = byte(x)
	}
	return p
}

// cell times one strategy writing size bytes of each buffer, all at a time, on a
// File and a Pool of its own.
func (p Plan) cell(s stablewrite.Strategy, size int, buffers [][]byte) (record.Cost, error) {
	target, depth := p.Target, len(buffers)
	f, err := stablewrite.New(target, stablewrite.Options{Strategy: s, RequireDirect: s.Direct()})
	if err != nil {
		return record.Cost{}, err
	}
	defer f.Close()
	if !s.Direct() {
		defer dropCache(target)
	}
	latencies := make([][]time.Duration, depth)
	errs := make([]error, depth)
	for i := range latencies {
		latencies[i] = make([]time.Duration, 0, 1<<12)
	}
	slots := p.region() / int64(size)
	var next atomic.Int64
	cpu := cpuTime()
	began := time.Now()
	var writers sync.WaitGroup
	for i := range depth {
		writers.Go(func() {
			w := stablewrite.Write{Buf: buffers[i][:size]}
			for start := time.Now(); start.Sub(began) < p.Time; {
				k := next.Add(1) - 1
				if w.Off = k % slots * int64(size); w.Off == 0 && k > 0 {
					if errs[i] = f.Sync(); errs[i] != nil {
						return
					}
					start = time.Now() // a Sync is in the throughput, not in the latency of a write
				}
				if errs[i] = f.Do(&w); errs[i] != nil {
					return
				}
				end := time.Now()
				latencies[i] = append(latencies[i], end.Sub(start))
				start = end
			}
		})
	}
	writers.Wait()
	err = cmp.Or(append(errs, f.Sync())...) // the first: a failed Sync fails all that follow
	seconds := time.Since(began).Seconds()
	after := cpuTime()
	did := f.Stats()
	all := slices.Concat(latencies...)
	slices.Sort(all)
	bytes := did.Bytes
	if err == nil && bytes == 0 {
		err = errors.New("nothing was written")
	}
	if err != nil {
		return record.Cost{}, err
	}
	return record.Cost{
		Kind: record.KindCost, Strategy: s, Target: record.OnFile, Size: size, Depth: depth,
		Writes: int64(did.Writes), Changed: int64(did.ChangedWrites), Bytes: bytes, Seconds: seconds,
		P50NS: quantile(all, 0.5), P99NS: quantile(all, 0.99), P999NS: quantile(all, 0.999),
		CPUUserSeconds: (after.user - cpu.user).Seconds(), CPUSystemSeconds: (after.system - cpu.system).Seconds(),
		Amplification: float64(bytes+did.Resubmitted) / float64(bytes),
		PoolPeak:      did.PoolPeak, Direct: f.Geometry().Direct, Version: record.Version,
	}, nil
}

// quantile is the smallest of the sorted latencies that the share q do not
// exceed, in nanoseconds.
func quantile(sorted []time.Duration, q float64) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Nanoseconds()
}
