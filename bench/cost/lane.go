package cost

import (
	"context"
	"sync/atomic"
	"time"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// lane is one of depth Writes that are under way at a time. It has slots of the
// region to itself, so that no two Writes under way overlap or are in one place.
type lane struct {
	w       stablewrite.Write
	index   int
	slot    int64 // of the Write under way
	began   time.Time
	next    *int   // of its buffers: cold, the walk goes on from cell to cell
	own     []byte // what Copied copies to
	writes  int64
	changed int64 // in flight
}

// longest is what latencies are cut at, in ns, and digits how many of each are
// kept.
const (
	longest = int64(time.Minute)
	digits  = 3
)

// lap keeps depth Writes under way for a time, at least one of each lane, and
// syncs. At depth 1 it waits for each, as most programs do; deeper it is one
// goroutine with a Queue.
func (c *cell) lap(ctx context.Context, d time.Duration) error {
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	depth := int64(c.g.depth)
	c.latencies.Reset()
	c.begun, c.syncs = 0, 0
	idle := make([]*lane, 0, depth)
	for _, l := range c.lanes {
		l.writes, l.changed = 0, 0
		idle = append(idle, l)
	}
	for end := time.Now().Add(d); ; {
		for len(idle) > 0 && (c.begun < depth || time.Now().Before(end) && !stop.Load()) {
			if c.begun == (c.syncs+1)*c.own*depth { // as much as the region
				if !c.w.strategy.Direct() && len(idle) < c.g.depth {
					break // until nothing is under way: it would be to memory that is written back later
				}
				if err := c.sync(); err != nil {
					return err
				}
			}
			l := idle[0]
			if err := c.begin(l); err != nil {
				return err
			}
			if idle = idle[1:]; c.queue == nil {
				c.landed(l)
				idle = append(idle, l)
			}
		}
		if len(idle) == c.g.depth {
			break
		}
		w := c.queue.Wait()
		if w.Err != nil {
			return w.Err
		}
		l := w.Tag.(*lane)
		c.landed(l)
		idle = append(idle, l)
	}
	if err := c.synced(); err != nil {
		return err
	}
	return c.f.Sync()
}

// begin starts a lane's next Write; without a Queue it has landed.
func (c *cell) begin(l *lane) error {
	l.began = time.Now()
	l.slot = l.writes%c.own*int64(c.g.depth) + int64(l.index)
	bufs := c.buffers[l.index]
	l.w.Buf, l.w.Off = bufs[*l.next], l.slot*int64(c.g.size)
	*l.next = (*l.next + 1) % len(bufs)
	switch c.w.variant {
	case record.Summed:
		c.sum = crcguard.Update(c.sum, l.w.Buf)
	case record.Copied:
		copy(l.own, l.w.Buf)
		l.w.Buf = l.own
	}
	if c.media != nil {
		l.w.Sums = c.media.of(l.slot)
	}
	if c.changes != nil {
		c.changes.begin(l.slot, l.w.Buf)
	}
	c.begun++
	if c.queue == nil {
		return c.f.Do(&l.w)
	}
	return c.queue.Start(&l.w)
}

// landed counts a Write that returned.
func (c *cell) landed(l *lane) {
	if c.changes != nil && c.changes.end(l.slot) {
		l.changed++
	}
	l.writes++
	_ = c.latencies.RecordValue(min(max(1, time.Since(l.began).Nanoseconds()), longest)) // within its range
}

// sync makes durable what landed. Direct writes of a Queue go on meanwhile.
func (c *cell) sync() error {
	c.syncs++
	if c.queue == nil || !c.w.strategy.Direct() {
		return c.f.Sync()
	}
	if err := c.synced(); err != nil {
		return err
	}
	c.syncing = make(chan error, 1)
	go func(done chan<- error) { done <- c.f.Sync() }(c.syncing)
	return nil
}

// synced waits for the Sync under way, if there is one.
func (c *cell) synced() error {
	if c.syncing == nil {
		return nil
	}
	err := <-c.syncing
	c.syncing = nil
	return err
}
