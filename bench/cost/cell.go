package cost

import (
	"context"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// cell is one writer of ours in one group.
type cell struct {
	run     *run
	g       group
	w       writer
	f       *stablewrite.File
	pool    *stablewrite.Pool
	queue   *stablewrite.Queue // nil at depth 1
	changes *changes           // nil: nothing is changed
	media   *media             // nil: the media are not checked
	buffers [][][]byte         // of each lane, in the round under way
	own     int64              // slots of each lane
	untrack func()             // nil: no memory is tracked
	lanes   []*lane

	// Of the lap under way.
	begun, syncs int64
	syncing      chan error // nil: no Sync is under way
	latencies    *hdrhistogram.Histogram
	sum          uint32 // that Summed takes
}

func newCell(r *run, g group, w writer) (*cell, error) {
	c := &cell{
		run: r, g: g, w: w, own: r.region / int64(g.size) / int64(g.depth),
		pool: stablewrite.NewPool(poolBytes), latencies: hdrhistogram.New(1, longest, digits),
	}
	if g.mutated > 0 || g.twoSteps {
		c.changes = newChanges(g.mutated, r.ChangedBlocks, g.size, c.own*int64(g.depth))
	}
	var err error
	if c.f, err = r.file(w, c.pool, c.changes); err != nil {
		return nil, err
	}
	if w.variant == record.Tracked {
		if c.untrack, err = stablewrite.Track(r.mem.area); err != nil {
			c.f.Close()
			return nil, err
		}
	}
	if g.depth > 1 {
		c.queue = c.f.Queue(g.depth)
	}
	for i := range g.depth {
		l := &lane{index: i, next: r.mem.walk(g, i), own: r.mem.own[i*g.size:][:g.size]}
		l.w.Tag = l
		c.lanes = append(c.lanes, l)
	}
	promised := w.strategy.Promise()
	if g.mutated > 0 && r.Target != nil && promised.Changed && !promised.Refuses {
		if c.media, err = newMedia(r.Target, g.size, c.own*int64(g.depth)); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

func (c *cell) close() {
	if c.queue != nil {
		c.queue.Close()
	}
	c.f.Close()
	if c.untrack != nil {
		c.untrack()
	}
	runtime.GC() // unmaps the Pool of a cell before this one, which the collector does not know to be large
	if c.media != nil {
		c.media.close()
	}
}

// time is one cell: after a tenth of the time of the Plan, in which private memory
// comes to be, that time.
func (c *cell) time(ctx context.Context, round int) (record.Cost, error) {
	if !c.w.strategy.Direct() {
		defer dropCache(c.run.Target, c.run.region)
	}
	area := c.run.mem.area
	if c.w.variant == record.Huge {
		area = c.run.mem.huge
	}
	c.buffers = c.run.mem.buffers(area, c.g.size, c.g.depth, c.window(round))
	if err := c.lap(ctx, c.run.Time/10); err != nil {
		return record.Cost{}, err
	}
	before := c.f.Stats()
	cpu := cpuTime()
	began := time.Now()
	err := c.lap(ctx, c.run.Time)
	seconds := time.Since(began).Seconds()
	after := cpuTime()
	if err != nil {
		return record.Cost{}, err
	}
	did := c.f.Stats()
	bytes := did.Bytes - before.Bytes
	rec := record.Cost{
		Writes: bytes / int64(c.g.size), Changed: did.ChangedWrites - before.ChangedWrites, Bytes: bytes, Seconds: seconds,
		CPUUserSeconds: (after.user - cpu.user).Seconds(), CPUSystemSeconds: (after.system - cpu.system).Seconds(),
		Amplification: float64(bytes+did.Resubmitted-before.Resubmitted) / float64(bytes),
		PoolPeak:      did.PoolPeak, Written: c.f.Geometry().Direct,
	}
	if kind, _ := c.f.Engine(); c.run.disk() {
		rec.Engine = kind.String()
	}
	if did.PoolPeak > 0 && did.PoolHuge >= 0 {
		rec.Private = shareBacking(int64(did.PoolMapped), int64(did.PoolHuge))
	}
	rec.Backing = backingOf(area)
	c.sumUp(&rec)
	if c.media != nil {
		rec.Checked, rec.Torn, err = c.check()
	}
	return rec, err
}

// window is the memory to write from. Raw once more has that of raw in another round:
// so has whatever writes from private memory, and what lies in that is noise, too.
func (c *cell) window(round int) int {
	if c.w.variant == record.Again {
		return round + 1
	}
	return round
}

// sumUp adds what the lanes saw.
func (c *cell) sumUp(rec *record.Cost) {
	for _, l := range c.lanes {
		rec.Overlapped += l.changed
	}
	rec.P50NS, rec.P99NS, rec.P999NS = c.latencies.ValueAtQuantile(50), c.latencies.ValueAtQuantile(99), c.latencies.ValueAtQuantile(99.9)
}
