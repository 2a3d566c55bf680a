package stablewrite

import (
	"slices"
	"sync"

	"stablepages/crcguard"
)

// maxLanes is how many segments of one write are under way at a time: of 2, 3 and
// 4 the fastest for writes of 16 MiB one at a time (BenchmarkSegments, ext4 on a
// virtio disk).
const maxLanes = 4

// overlap is the segments of one write under way. Each lane takes the next
// segment, sums or copies it, submits it and looks again, so that the checksums
// of one segment are taken while others are in flight. It belongs to a Write and
// is used again for its next request.
type overlap struct {
	f       *File
	w       *Write
	length  int  // of a segment: whole blocks and whole units of the device
	ordered bool // a first submission waits for those of the segments before it
	lanes   []*lane
	others  sync.WaitGroup // lanes on goroutines of their own

	mu      sync.Mutex
	turn    sync.Cond   // on passed and end
	results []result    // by segment
	taken   int         // segments that a lane took
	passed  int         // segments, in order, that those after them need not wait for
	end     int         // no segment from this one on goes out for the first time
	panic   *PanicError // of a lane on a goroutine of its own
}

// result is what became of a segment.
type result struct {
	sum     uint32
	good    int
	attempt int // 0: nothing was submitted
	err     error
}

// plan divides w into segments of at most limit bytes, nearly equal ones, and
// returns how many lanes, of those that it may use, have something to do.
func (o *overlap) plan(f *File, w *Write, limit, lanes int) int {
	n := len(w.Buf)
	o.f, o.w, o.length = f, w, n
	if n > limit {
		count := (n + limit - 1) / limit
		o.length = min(limit, roundUp((n+count-1)/count, f.grain()))
	}
	count := o.index(n-1) + 1
	o.results = slices.Grow(o.results[:0], count)[:count]
	clear(o.results)
	o.taken, o.passed, o.end, o.panic, o.turn.L = 0, 0, count, nil, &o.mu
	for lanes = min(lanes, count); len(o.lanes) < lanes; {
		l := &lane{of: o}
		l.start = l.run
		o.lanes = append(o.lanes, l)
	}
	return lanes
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// skew is how far into a grain the write begins: its first segment is shorter
// by as much.
func (o *overlap) skew() int { return int(o.w.Off % int64(o.f.grain())) }

// index is the segment of byte i of the write.
func (o *overlap) index(i int) int {
	if o.length == len(o.w.Buf) {
		return 0
	}
	return (o.skew() + i) / o.length
}

// bounds are those of segment i in the write.
func (o *overlap) bounds(i int) (lo, hi int) {
	if o.length == len(o.w.Buf) {
		return 0, o.length
	}
	lo = i*o.length - o.skew()
	return max(0, lo), min(len(o.w.Buf), lo+o.length)
}

// run drives all segments, on this goroutine and one for each further lane. What
// the lanes use of the write is theirs until it returns, or panics.
func (o *overlap) run(lanes int, private []byte, sums []uint32, aligned bool) {
	for k, l := range o.lanes[:lanes] {
		l.prepare(sums, aligned)
		if private != nil {
			l.fl.private = private[k*o.length:][:o.length]
		}
	}
	for _, l := range o.lanes[1:lanes] {
		o.others.Add(1)
		go l.start()
	}
	whole := false
	defer func() {
		if !whole { // a Device panicked: the others must not wait for this lane
			o.halt(0)
		}
		o.others.Wait()
		for _, l := range o.lanes[:lanes] {
			l.fl.forget()
			l.sums = nil
		}
		if o.panic != nil {
			panic(o.panic)
		}
	}()
	o.lanes[0].work()
	whole = true
}

// take is the next segment, if there is one to begin.
func (o *overlap) take() (i int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken >= o.end {
		return 0, false
	}
	o.taken++
	return o.taken - 1, true
}

// wait returns when the segment of fl may go out for the first time, or false if
// it may not any more.
func (o *overlap) wait(fl *flight) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.ordered && o.passed < fl.index && fl.index < o.end {
		o.turn.Wait()
	}
	return fl.index < o.end
}

// pass lets the segment after i go out. It may be called twice.
func (o *overlap) pass(i int) {
	if !o.ordered {
		return
	}
	o.mu.Lock()
	o.passed = max(o.passed, i+1)
	o.mu.Unlock()
	o.turn.Broadcast()
}

// halt keeps back segment i and those after it. Those before it go out: what is
// good of a write is good from its start.
func (o *overlap) halt(i int) {
	o.mu.Lock()
	o.end = min(o.end, i)
	o.mu.Unlock()
	o.turn.Broadcast()
}

// settle makes the receipt of the write of what became of its segments, and
// returns its error: that of the first segment that has one.
func (o *overlap) settle(lanes int) error {
	w := o.w
	r := &w.Receipt
	for _, l := range o.lanes[:lanes] {
		r.ChangedBlocks += l.counts.ChangedBlocks
		r.Submissions += l.counts.Submissions
		r.Resubmitted += l.counts.Resubmitted
		r.Refused += l.counts.Refused
		w.Changed = append(w.Changed, l.changed...)
	}
	if lanes > 1 {
		slices.SortFunc(w.Changed, func(a, b Extent) int { return a.Off - b.Off })
	}
	for i := range o.results {
		res := &o.results[i]
		r.Sum = crcguard.Combine(r.Sum, res.sum, int64(res.good))
		r.N += res.good
		if res.err != nil {
			return &WriteError{
				Name: o.f.name, Off: w.Off, Len: len(w.Buf), Good: r.N, Spoiled: o.touched() - r.N,
				Attempt: res.attempt, Err: res.err,
			}
		}
	}
	return nil
}

// touched is the end of the last segment of which anything was submitted.
func (o *overlap) touched() int {
	for i := len(o.results) - 1; i >= 0; i-- {
		if o.results[i].attempt > 0 {
			_, hi := o.bounds(i)
			return hi
		}
	}
	return 0
}
