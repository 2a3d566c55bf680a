package cost

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
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
	changes *changes     // nil: nothing is changed
	buffers [][][]byte   // of each lane, in the round under way
	own     int64        // slots of each writer
	begun   atomic.Int64 // writes, of all lanes
	cached  sync.RWMutex // see enter
	lanes   []*lane
	media   *media // nil: the media are not checked
}

func newCell(r *run, g group, w writer) (*cell, error) {
	c := &cell{run: r, g: g, w: w, own: r.region / int64(g.size) / int64(g.depth)}
	if g.mutated > 0 || g.twoSteps {
		c.changes = newChanges(g.mutated, r.ChangedBlocks, g.size, c.own*int64(g.depth))
	}
	var err error
	if c.f, err = r.file(w, c.changes); err != nil {
		return nil, err
	}
	for range g.depth {
		c.lanes = append(c.lanes, &lane{write: c.way(), next: r.mem.walk(g, len(c.lanes)), latencies: hdrhistogram.New(1, longest, digits)})
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
	c.f.Close()
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
	c.buffers = c.run.mem.buffers(c.g.size, c.g.depth, c.window(round))
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
		PoolPeak:      did.PoolPeak, Direct: c.f.Geometry().Direct,
	}
	c.sumUp(&rec)
	if c.media != nil {
		rec.Checked, rec.Torn, err = c.check()
	}
	return rec, err
}

// lap is depth writers, each with one write under way, for a time, and a Sync.
func (c *cell) lap(ctx context.Context, d time.Duration) error {
	c.begun.Store(0)
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	end := time.Now().Add(d)
	var writers sync.WaitGroup
	for i := range c.lanes {
		writers.Go(func() { c.write(i, end, &stop) })
	}
	writers.Wait()
	errs := make([]error, 0, len(c.lanes)+1)
	for _, l := range c.lanes {
		errs = append(errs, l.err)
	}
	return cmp.Or(append(errs, c.f.Sync())...) // the first: a failed Sync fails all that follow
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
	all := hdrhistogram.New(1, longest, digits)
	for _, l := range c.lanes {
		all.Merge(l.latencies)
		rec.Overlapped += l.changed
	}
	rec.P50NS, rec.P99NS, rec.P999NS = all.ValueAtQuantile(50), all.ValueAtQuantile(99), all.ValueAtQuantile(99.9)
}
