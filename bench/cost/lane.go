package cost

import (
	"context"
	"slices"
	"time"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// lane makes one of the depth Writes that are under way at a time. It has slots of the
// region to itself, so that Writes under way never overlap.
type lane struct {
	w     stablewrite.Write
	index int
	slot  int64 // of the Write under way
	began time.Time
	// next is the index of its next buffer. It outlives the cell: a writer that began at the
	// first buffer would find in the cache what the writer before it left there.
	next    *int
	copy    []byte // Copied copies to it
	writes  int64
	changed int64 // Writes that changed in flight
}

// Of the histogram of latencies, in ns.
const (
	longest = int64(time.Minute) // longer ones count as this
	digits  = 3
)

// lap keeps depth Writes under way for a time, at least one for each lane, and syncs. At
// depth 1 it waits for each Write, as most programs do; deeper it uses a Queue.
func (c *cell) lap(ctx context.Context, d time.Duration) error {
	depth := int64(c.g.depth)
	c.latencies.Reset()
	c.begun, c.syncs = 0, 0
	for _, l := range c.lanes {
		l.writes, l.changed = 0, 0
	}
	idle := slices.Clone(c.lanes)
	for end := time.Now().Add(d); ; {
		for len(idle) > 0 && (c.begun < depth || time.Now().Before(end) && ctx.Err() == nil) {
			if c.begun == (c.syncs+1)*c.slots*depth { // as many as the region has slots
				if !c.w.strategy.Direct() && len(idle) < c.g.depth {
					break // wait for all Writes: the Sync must cover them
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
	if err := <-c.syncing; err != nil {
		return err
	}
	c.syncing <- nil
	return c.f.Sync()
}

// begin starts the next Write of a lane. Without a Queue the Write has landed when begin
// returns.
func (c *cell) begin(l *lane) error {
	l.began = time.Now()
	l.slot = l.writes%c.slots*int64(c.g.depth) + int64(l.index)
	bufs := c.buffers[l.index]
	l.w.Buf, l.w.Off = bufs[*l.next], l.slot*int64(c.g.size)
	*l.next = (*l.next + 1) % len(bufs)
	switch c.w.variant {
	case record.Summed:
		c.sum = crcguard.Update(c.sum, l.w.Buf)
	case record.Copied:
		copy(l.copy, l.w.Buf)
		l.w.Buf = l.copy
	}
	if c.oracle != nil {
		l.w.Sums = c.receipt(l.slot)
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

// landed counts the Write that returned.
func (c *cell) landed(l *lane) {
	if c.changes != nil && c.changes.end(l.slot) {
		l.changed++
	}
	l.writes++
	_ = c.latencies.RecordValue(min(max(1, time.Since(l.began).Nanoseconds()), longest)) // always in range
}

// sync makes the Writes that landed durable. Direct Writes of a Queue go on meanwhile.
func (c *cell) sync() error {
	c.syncs++
	if c.queue == nil || !c.w.strategy.Direct() {
		return c.f.Sync()
	}
	if err := <-c.syncing; err != nil {
		return err
	}
	go func() { c.syncing <- c.f.Sync() }()
	return nil
}
