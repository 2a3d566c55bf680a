package cost

import (
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"stablepages/stablewrite"
)

// lane is one of depth writers. It has slots of the region to itself, so that no
// two writes under way overlap or are in one place.
type lane struct {
	write     func(*stablewrite.Write) error
	latencies *hdrhistogram.Histogram
	next      *int // of its buffers: cold, the walk goes on from cell to cell
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

// write is one lane's part of a lap: one write at least.
func (c *cell) write(i int, end time.Time, stop *atomic.Bool) {
	l := c.lanes[i]
	l.latencies.Reset()
	l.writes, l.changed, l.err = 0, 0, nil
	bufs, size, depth := c.buffers[i], int64(c.g.size), int64(c.g.depth)
	var w stablewrite.Write
	for start := time.Now(); l.writes == 0 || start.Before(end) && !stop.Load(); l.writes++ {
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
		w.Buf, w.Off = bufs[*l.next], slot*size
		*l.next = (*l.next + 1) % len(bufs)
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
		landed := time.Now()
		_ = l.latencies.RecordValue(min(max(1, landed.Sub(start).Nanoseconds()), longest)) // within its range
		start = landed
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
