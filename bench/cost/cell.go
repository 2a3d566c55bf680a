package cost

import (
	"context"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// cell is one writer of this package in one group.
type cell struct {
	run     *run
	g       group
	w       writer
	f       *stablewrite.File
	queue   *stablewrite.Queue // nil at depth 1
	changes *changes           // nil: nothing changes
	oracle  *repro.Oracle      // nil: nothing is read back
	sums    []uint32           // of the last receipt of each slot, if there is an oracle
	buffers [][][]byte         // of each lane
	slots   int64              // of each lane
	untrack func()             // nil: no memory is tracked
	lanes   []*lane

	// Of the lap under way.
	begun, syncs int64
	syncing      chan error // has the result of the last Sync beside Writes, or nil
	latencies    *hdrhistogram.Histogram
	sum          uint32 // of Summed
}

// newCell opens a cell. The caller closes it, also after an error.
func newCell(r *run, g group, w writer) (c *cell, err error) {
	c = &cell{
		run: r, g: g, w: w, slots: r.region / int64(g.size) / int64(g.depth),
		latencies: hdrhistogram.New(1, longest, digits), syncing: make(chan error, 1),
	}
	c.syncing <- nil
	if g.mutated > 0 || g.twoSteps {
		c.changes = newChanges(g.mutated, r.ChangedBlocks, g.size, c.slots*int64(g.depth))
	}
	if c.f, err = r.file(w, stablewrite.NewPool(poolBytes), c.changes); err != nil {
		return c, err
	}
	if w.variant == record.Tracked {
		if c.untrack, err = stablewrite.Track(r.mem.area); err != nil {
			return c, err
		}
	}
	if g.depth > 1 {
		c.queue = c.f.Queue(g.depth)
	}
	for i := range g.depth {
		l := &lane{index: i, next: &r.next[i], copy: r.mem.copies[i*g.size:][:g.size]}
		l.w.Tag = l
		c.lanes = append(c.lanes, l)
	}
	promised := w.strategy.Promise()
	if g.mutated > 0 && r.Target != nil && promised.Changed && !promised.Refuses {
		c.sums = make([]uint32, c.slots*int64(g.depth)*int64(crcguard.Blocks(g.size)))
		c.oracle, err = repro.NewOracle(r.Target, g.size)
	}
	return c, err
}

func (c *cell) close() {
	if c.queue != nil {
		c.queue.Close()
	}
	if c.f != nil {
		c.f.Close()
	}
	if c.untrack != nil {
		c.untrack()
	}
	runtime.GC() // unmaps the Pools of earlier cells, whose size the collector does not know
	if c.oracle != nil {
		c.oracle.Close()
	}
}

// time times the cell for the time of the Plan, after a tenth of it in which the File gets
// its private memory.
func (c *cell) time(ctx context.Context, round int) (rec record.Cost, err error) {
	if !c.w.strategy.Direct() {
		defer dropCache(c.run.Target, c.run.region)
	}
	area := c.run.mem.area
	if c.w.variant == record.Huge {
		area = c.run.mem.huge
	}
	if c.w.variant == record.Again {
		// Raw again has the window of raw in the next round: private memory lies elsewhere, too,
		// and the place of memory is part of the noise.
		round++
	}
	c.buffers = c.run.mem.buffers(area, c.g.size, c.g.depth, round)
	if err := c.lap(ctx, c.run.Time/10); err != nil {
		return rec, err
	}
	before := c.f.Stats()
	userBefore, systemBefore := cpuTime()
	began := time.Now()
	err = c.lap(ctx, c.run.Time)
	rec.Seconds = time.Since(began).Seconds()
	user, system := cpuTime()
	if err != nil {
		return rec, err
	}
	after := c.f.Stats()
	rec.Bytes = after.Bytes - before.Bytes
	rec.Writes, rec.Changed = rec.Bytes/int64(c.g.size), after.ChangedWrites-before.ChangedWrites
	rec.Amplification = float64(rec.Bytes+after.Resubmitted-before.Resubmitted) / float64(rec.Bytes)
	rec.CPUUserSeconds, rec.CPUSystemSeconds = (user - userBefore).Seconds(), (system - systemBefore).Seconds()
	rec.P50NS, rec.P99NS = c.latencies.ValueAtQuantile(50), c.latencies.ValueAtQuantile(99)
	rec.P999NS = c.latencies.ValueAtQuantile(99.9)
	for _, l := range c.lanes {
		rec.Overlapped += l.changed
	}
	rec.Written, rec.Backing, rec.PoolPeak = c.f.Geometry().Direct, backingOf(area), after.PoolPeak
	if kind, _ := c.f.Engine(); c.run.disk() {
		rec.Engine = kind.String()
	}
	if after.PoolPeak > 0 && after.PoolHuge >= 0 {
		rec.Private = backing(int64(after.PoolMapped), int64(after.PoolHuge))
	}
	if c.oracle != nil {
		rec.Checked, rec.Torn, err = c.check()
	}
	return rec, err
}
