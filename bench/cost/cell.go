package cost

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// cell is one writer of ours in one group.
type cell struct {
	run     *run
	g       group
	w       writer
	f       *stablewrite.File
	changes *changes // nil: nothing is changed
	buffers [][][]byte
	own     int64        // slots of each writer
	begun   atomic.Int64 // writes, of all lanes
	cached  sync.RWMutex // see enter
	lanes   []*lane
	media   *media // nil: the media are not checked
}

// lane is one of depth writers. It has slots of the region to itself, so that no
// two writes under way overlap or are in one place.
type lane struct {
	write     func(*stablewrite.Write) error
	latencies *hdrhistogram.Histogram
	next      int // of its buffers: the walk goes on from cell to cell
	writes    int64
	changed   int64 // in flight
	err       error
}

// longest is what latencies are cut at, in ns, and digits how many of each are
// kept.
const (
	longest = int64(time.Minute)
	digits  = 3
)

func newCell(r *run, g group, w writer) (*cell, error) {
	c := &cell{run: r, g: g, w: w, own: r.region / int64(g.size) / int64(g.depth), buffers: r.mem.buffers(g.size, g.depth)}
	if g.mutated > 0 || g.twoSteps {
		c.changes = newChanges(g.mutated, r.ChangedBlocks, g.size, c.own*int64(g.depth))
	}
	var err error
	if c.f, err = r.file(w, c.changes); err != nil {
		return nil, err
	}
	for range g.depth {
		c.lanes = append(c.lanes, &lane{write: c.way(), latencies: hdrhistogram.New(1, longest, digits)})
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

// file opens what w writes to. Where nothing is changed that is a File as users
// have it; where something is, all Files submit in two steps.
func (r *run) file(w writer, ch *changes) (*stablewrite.File, error) {
	o := stablewrite.Options{Strategy: w.strategy, RequireDirect: w.strategy.Direct()}
	var inFlight func(int64, int)
	if ch != nil {
		inFlight = ch.inFlight
	}
	var d stablewrite.Device
	var err error
	switch {
	case r.On == record.OnNull:
		d = &Null{InFlight: inFlight}
	case r.On == record.OnDelay:
		delay := NewDelay(r.Latency, r.Bandwidth)
		delay.InFlight = inFlight
		d = delay
	case w.variant == record.Unsummed:
		o = stablewrite.Options{Strategy: stablewrite.Raw} // on a Device that is not direct
		d, err = newCached(r.Target)
	case ch != nil:
		var plain *stablewrite.File
		if plain, err = stablewrite.New(r.Target, o); err != nil {
			return nil, err
		}
		geo := plain.Geometry()
		if err = plain.Close(); err != nil {
			return nil, err
		}
		d, err = newAsync(r.Target, w.strategy.Direct(), geo, inFlight)
	default:
		return stablewrite.New(r.Target, o)
	}
	if err != nil {
		return nil, err
	}
	f, err := stablewrite.NewDevice(d, o)
	if err != nil {
		d.Close()
	}
	return f, err
}

// way is how a lane writes.
func (c *cell) way() func(*stablewrite.Write) error {
	switch c.w.variant {
	case record.Summed:
		var sum uint32
		return func(w *stablewrite.Write) error {
			sum = crcguard.Update(sum, w.Buf)
			return c.f.Do(w)
		}
	case record.Segmented:
		return segmented(c.f)
	}
	return c.f.Do
}

// segmented writes in as many submissions as strategies that sum do, as many at a
// time.
func segmented(f *stablewrite.File) func(*stablewrite.Write) error {
	q := f.Queue(atATime)
	var parts []stablewrite.Write
	return func(w *stablewrite.Write) error {
		n := len(w.Buf)
		count := (n + stablewrite.DefaultSegmentBytes - 1) / stablewrite.DefaultSegmentBytes
		if len(parts) < count {
			parts = make([]stablewrite.Write, count)
		}
		blocks := n / crcguard.BlockSize
		for i := range count {
			lo, hi := i*blocks/count*crcguard.BlockSize, (i+1)*blocks/count*crcguard.BlockSize
			parts[i].Buf, parts[i].Off = w.Buf[lo:hi], w.Off+int64(lo)
			if err := q.Start(&parts[i]); err != nil {
				return err
			}
		}
		var err error
		for part := q.Wait(); part != nil; part = q.Wait() {
			err = cmp.Or(err, part.Err)
		}
		return err
	}
}

// time is one cell: depth writers, each with one write under way, for the time of
// the Plan, and a Sync.
func (c *cell) time(ctx context.Context) (record.Cost, error) {
	if !c.w.strategy.Direct() {
		defer dropCache(c.run.Target, c.run.region)
	}
	c.begun.Store(0)
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	before := c.f.Stats()
	cpu := cpuTime()
	began := time.Now()
	var writers sync.WaitGroup
	for i := range c.lanes {
		writers.Go(func() { c.write(i, began, &stop) })
	}
	writers.Wait()
	errs := make([]error, 0, len(c.lanes)+1)
	for _, l := range c.lanes {
		errs = append(errs, l.err)
	}
	err := cmp.Or(append(errs, c.f.Sync())...) // the first: a failed Sync fails all that follow
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

// write is one lane's part of a cell: one write at least.
func (c *cell) write(i int, began time.Time, stop *atomic.Bool) {
	l := c.lanes[i]
	l.latencies.Reset()
	l.writes, l.changed, l.err = 0, 0, nil
	bufs, size, depth := c.buffers[i], int64(c.g.size), int64(c.g.depth)
	var w stablewrite.Write
	for start := time.Now(); l.writes == 0 || start.Sub(began) < c.run.Time && !stop.Load(); l.writes++ {
		slot := l.writes%c.own*depth + int64(i)
		if k := c.begun.Add(1) - 1; k > 0 && k%(c.own*depth) == 0 { // as much as the region, by all together
			if l.err = c.sync(); l.err != nil {
				return
			}
			start = time.Now() // a Sync is in the throughput, not in the latency of a write
		}
		if c.enter() {
			start = time.Now() // nor is that of another lane
		}
		w.Buf, w.Off = bufs[l.next], slot*size
		l.next = (l.next + 1) % len(bufs)
		if c.media != nil {
			w.Sums = c.media.of(slot)
		}
		if c.changes != nil {
			c.changes.begin(slot, w.Buf)
		}
		l.err = l.write(&w)
		c.leave()
		if l.err != nil {
			return
		}
		if c.changes != nil && c.changes.end(slot) {
			l.changed++
		}
		end := time.Now()
		_ = l.latencies.RecordValue(min(max(1, end.Sub(start).Nanoseconds()), longest)) // within its range
		start = end
	}
}

// enter lets a write through the page cache begin when no lane syncs. Written
// meanwhile, it would be to memory that is written back later, together with what
// is written over it.
func (c *cell) enter() (waited bool) {
	if c.w.strategy.Direct() {
		return false
	}
	c.cached.RLock()
	return true
}

func (c *cell) leave() {
	if !c.w.strategy.Direct() {
		c.cached.RUnlock()
	}
}

func (c *cell) sync() error {
	c.cached.Lock()
	defer c.cached.Unlock()
	return c.f.Sync()
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

// What is read back after each cell is bounded: small writes take as long to read
// as to write.
const (
	checkedBytes  = 16 << 20
	checkedWrites = 512
)

// check holds the media against the receipts of each lane's last writes.
func (c *cell) check() (checked, torn int64, err error) {
	most := max(1, min(checkedWrites, checkedBytes/int64(c.g.size))/int64(c.g.depth))
	for i, l := range c.lanes {
		for k := l.writes - min(l.writes, c.own, most); k < l.writes; k++ {
			bad, err := c.media.torn(k%c.own*int64(c.g.depth) + int64(i))
			if err != nil {
				return checked, torn, err
			}
			checked++
			if bad {
				torn++
			}
		}
	}
	return checked, torn, nil
}
