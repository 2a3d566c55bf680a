package stablewrite

import (
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"stablepages/crcguard"
)

// progress is a Write on its way: the write path of Do, WriteAt, Queue and Stream. It
// divides the Write into segments, starts as many as its window has room for, sums or
// copies the next while those before are in flight, and takes the next step of a
// segment whenever a submission ends.
//
//	Do, Start -> admit -> [Pool] -> [range] -> begin -+-> put -> ring or call
//	                                                  |            |
//	                                            fill  ^    ended <-+
//	                                                  |      |
//	                                                  +------+-> finish
//
// A Write may wait for the Pool and for its range; after that it waits only for the
// device. The goroutine that learns that a submission ended takes the next step: a
// caller in Do or Wait, a goroutine whose system call returned, the timer of a ring.
// It holds mu meanwhile; work that must not be done under mu is left to leave.
type progress struct {
	w     *Write
	f     *File
	queue *Queue  // nil: Do waits
	ring  *driver // nil: all submissions are blocking calls

	parts      [][]byte // of Bufs, or Buf
	n          int
	memAligned bool
	pending    *atomic.Int64 // of a Stream, if this is its buffer: bytes that did not land
	cuts       []int         // where segments begin, and where the last one ends
	private    loan
	locked     span
	sums       []uint32

	mu       sync.Mutex
	wake     sync.Cond // on gone, and on a ring to drive
	window   []*segment
	idle     []*segment
	results  []result
	ordered  bool // a first submission waits for those of the segments before it
	next     int  // segment to begin
	passed   int  // later segments need not wait for the segments before this one
	end      int  // no segment from this one on goes out for the first time
	underWay int
	inline   *op        // for this goroutine to submit, after mu
	lent     []*segment // of other Writes: leave goes on with them
	over     bool
	gone     bool // nothing is held any more
	panic    *PanicError

	link *Write // the next that ended in the Queue
}

// windowSegments is how many segments of one write are under way at a time.
const windowSegments = 4

// admit enters the File, checks the request and divides it. It returns false, and has
// left the File, if there is nothing to write: w.Err says why, or the Write is empty. A
// Write is alone if its caller waits in Do: perhaps nothing else is in flight then.
func (st *progress) admit(f *File, pending *atomic.Int64, alone bool) bool {
	w := st.w
	if w.Err = f.enter("write"); w.Err != nil {
		return false
	}
	st.f, st.queue, st.ring, st.pending = f, nil, nil, pending
	st.panic, st.over, st.gone = nil, false, false
	st.parts, st.n, st.memAligned = st.parts[:0], 0, true
	st.add(w.Buf)
	for _, p := range w.Bufs {
		st.add(p)
	}
	if f.opts.Strategy == Raw && len(st.parts) > f.maxParts || f.maxParts == 1 && len(st.parts) > 1 {
		st.memAligned = false
	}
	w.Receipt.Summed = f.row.sums
	if w.Err = st.refuse(); w.Err != nil || st.n == 0 {
		clear(st.parts)
		f.leave()
		return false
	}
	w.Receipt.Tracked = f.opts.tracks()
	st.divide(alone)
	return true
}

func (st *progress) add(p []byte) {
	if len(p) > 0 {
		st.parts = append(st.parts, p)
		st.n += len(p)
		st.memAligned = st.memAligned && aligned(p, st.f.geo.MemAlign)
	}
}

// divide cuts the write into segments of nearly equal length, in whole blocks and whole
// units of the device.
func (st *progress) divide(alone bool) {
	f, n, grain := st.f, st.n, st.f.grain()
	limit, window := f.segment, windowSegments
	if st.copies() {
		limit, window = f.copied, f.window
		if alone && f.halves { // while the first copy is made nothing is in flight: make it shorter
			limit = min(limit, max(limit/2/grain*grain, roundUp(n/windowSegments, grain), grain))
		}
	} else if len(st.parts) > 1 {
		limit = min(limit, (f.maxParts-1)*crcguard.BlockSize/grain*grain)
	}
	st.cut(limit)
	window = min(window, len(st.results))
	for len(st.window) < window {
		s := new(segment)
		s.of, s.guard, s.copies = st, new(tracking), copyBlocks
		s.op.goes = s.op.run
		st.window = append(st.window, s)
	}
	st.idle = append(st.idle[:0], st.window[:window]...)
	if st.summing() {
		blocks := crcguard.BlocksAt(st.w.Off, n)
		st.sums = slices.Grow(st.sums[:0], blocks)[:blocks]
	}
}

// cut places the ends of segments, which are at most limit bytes long.
func (st *progress) cut(limit int) {
	f, n, grain := st.f, st.n, st.f.grain()
	st.cuts = append(st.cuts[:0], 0)
	if st.parted() {
		unit, off := int64(f.geo.OffsetAlign), st.w.Off
		end := off + int64(n)
		for _, at := range [...]int64{(off + unit - 1) &^ (unit - 1), end &^ (unit - 1)} {
			if last := st.cuts[len(st.cuts)-1]; at < end && at > off+int64(last) {
				st.cuts = append(st.cuts, int(at-off))
			}
		}
	} else if st.summing() && n > limit {
		count := (n + limit - 1) / limit
		length := min(limit, roundUp((n+count-1)/count, grain))
		for at := length - int(st.w.Off%int64(grain)); at < n; at += length {
			st.cuts = append(st.cuts, at)
		}
	}
	st.cuts = append(st.cuts, n)
	count := len(st.cuts) - 1
	st.results = slices.Grow(st.results[:0], count)[:count]
	clear(st.results)
	st.next, st.passed, st.end, st.underWay, st.inline = 0, 0, count, 0, nil
}

// summing reports whether the Write takes sums. A Stream sums its buffers itself.
func (st *progress) summing() bool { return st.f.row.sums && st.pending == nil }

// copies reports whether every submission is of a copy.
func (st *progress) copies() bool { return st.summing() && (st.f.row.copies || !st.memAligned) }

// parted reports whether the Write begins or ends within a unit, as a buffer of a Stream
// may. Its whole units are one segment, and so is each part.
func (st *progress) parted() bool { return st.f.isPart(st.w.Off, st.n) }

// reach returns the range that st locks. On a block device it is whole units and pages:
// Linux does not order writeback of the page cache against direct writes to other sectors
// of the page, and a Buffered File would put old sectors back. A part that goes through
// the page cache locks all of the file, see target.cached.
func (st *progress) reach() (off, end int64) {
	off, end = st.w.Off, st.w.Off+int64(st.n)
	switch unit := int64(max(os.Getpagesize(), st.f.geo.OffsetAlign)); {
	case st.f.pages:
		return off &^ (unit - 1), (min(end, math.MaxInt64-unit) + unit - 1) &^ (unit - 1)
	case st.parted():
		return 0, math.MaxInt64
	}
	return off, end
}

// reserve gets private memory for every segment of the window, if they are copied. If
// the memory comes in shorter pieces, it makes the segments shorter.
func (st *progress) reserve() {
	if !st.copies() {
		return
	}
	longest := st.cuts[1]
	if len(st.cuts) > 2 {
		longest = max(longest, st.cuts[2]-st.cuts[1])
	}
	st.private.quota = st.f.quota
	st.f.opts.Pool.reserve(&st.private, longest, len(st.idle), st.f.grain())
	if st.private.size < longest {
		st.cut(st.private.size)
	}
	for i, s := range st.idle {
		s.private = st.private.chunks[i].mem
	}
}

// perform performs a Write and returns when it has ended.
func (st *progress) perform() {
	f := st.f
	st.reserve()
	off, end := st.reach()
	f.target.lock(&st.locked, off, end)
	if len(st.cuts) > 2 && f.rings() {
		st.ring = borrowRing()
	}
	defer func() { // even if the Device ends this goroutine
		if v := recover(); v != nil { // a bug of this package: do not wait
			panic(v)
		}
		st.await()
		if st.ring != nil {
			returnRing(st.ring)
		}
	}()
	st.begin().run()
}

// await returns when the Write holds nothing any more. It drives the ring meanwhile.
func (st *progress) await() {
	st.mu.Lock()
	for !st.gone {
		if !st.ring.busy() || !st.ring.claim() {
			st.wake.Wait()
			continue
		}
		st.mu.Unlock()
		st.ring.drive()
		st.mu.Lock()
	}
	st.mu.Unlock()
}

// begin starts a Write whose range is held, and returns a submission for the caller to
// make, or nil.
func (st *progress) begin() *op {
	asked := false
	defer func() {
		if !asked { // Device.Size ended the goroutine: nothing goes out
			st.mu.Lock()
			st.end, st.panic = 0, &PanicError{}
			st.leave()
		}
	}()
	ordered := len(st.results) > 1 && (st.parted() || st.f.extends(st.w.Off+int64(st.n)))
	asked = true
	st.mu.Lock()
	st.ordered = ordered
	st.fill()
	return st.leave()
}

// fill begins segments as long as the window has room.
func (st *progress) fill() {
	for st.next < st.end && len(st.idle) > 0 {
		st.inline.elsewhere() // in flight while the next is summed
		st.inline = nil
		last := len(st.idle) - 1
		s := st.idle[last]
		st.idle = st.idle[:last]
		st.take(s, st.next)
		st.next++
		st.underWay++
		switch o := s.start(); {
		case o == nil:
			st.done(s)
		case st.ordered && st.passed < s.index:
			s.kept = true // until pass, or halt
		default:
			st.put(o)
		}
	}
}

// take makes s segment i of the Write.
func (st *progress) take(s *segment, i int) {
	f, lo, hi := st.f, st.cuts[i], st.cuts[i+1]
	s.index, s.off, s.n = i, st.w.Off+int64(lo), hi-lo
	s.aligned, s.whole, s.unit, s.gap = st.memAligned, f.opts.Resubmit == Whole, f.geo.OffsetAlign, f.gap
	if f.isPart(s.off, s.n) {
		s.unit = 1
	}
	s.steps = f.row.steps
	if s.ready = st.pending != nil; s.ready {
		s.steps = bounce{}
	}
	s.guard.use(f.opts.DetectBy)
	s.strict = f.opts.RequireTracking
	s.parts = s.parts[:0]
	at := 0
	for _, p := range st.parts {
		if from, to := max(0, lo-at), min(len(p), hi-at); from < to {
			s.parts = append(s.parts, p[from:to:to])
		}
		at += len(p)
	}
	s.sums = nil
	if st.summing() {
		first := crcguard.BlocksAt(st.w.Off, lo)
		s.sums = st.sums[first : first+crcguard.BlocksAt(s.off, s.n)]
	}
}

// put submits o.
func (st *progress) put(o *op) {
	switch {
	case st.ring != nil && st.f.ringTakes(o) && st.ring.submit(o):
		if st.wake.Signal(); st.queue != nil {
			st.queue.submitted()
		}
	case st.inline == nil:
		st.inline = o
	default:
		o.elsewhere()
	}
}

// ended takes the next step of a segment whose submission ended.
func (st *progress) ended(o *op) {
	s := o.seg
	if s.err == nil && o.err == nil && o.panic == nil {
		st.pass(s.index + 1)
	}
	st.goOn(s, s.ended())
	st.fill()
}

// goOn submits o, the next submission of s. If o is nil it gets the memory that s wants
// for a resubmission; without a want s is done.
func (st *progress) goOn(s *segment, o *op) {
	for o == nil && s.wants() > 0 {
		s.memory.quota = st.f.quota
		lent, ok := st.f.opts.Pool.ask(&s.memory, s, s.wants(), s.grain())
		if st.lent = append(st.lent, lent...); !ok {
			return
		}
		s.private = s.memory.chunks[0].mem
		o = s.resubmit()
	}
	if o == nil {
		st.done(s)
	} else {
		st.put(o)
	}
}

// granted goes on with a segment that was granted the memory that it waited for.
func (st *progress) granted(s *segment) {
	st.mu.Lock()
	s.private = s.memory.chunks[0].mem
	st.goOn(s, s.resubmit())
	st.fill()
	st.leave().elsewhere()
}

// done takes a segment out of the window.
func (st *progress) done(s *segment) {
	lo, r := st.cuts[s.index], &st.w.Receipt
	for _, e := range s.changed {
		st.w.Changed = append(st.w.Changed, Extent{Off: lo + e.Off, Len: e.Len})
		r.ChangedBlocks += crcguard.BlocksAt(s.off+int64(e.Off), e.Len)
	}
	r.Submissions += s.counts.Submissions
	r.Resubmitted += s.counts.Resubmitted
	r.Refused += s.counts.Refused
	st.results[s.index] = s.result
	r.Tracked = r.Tracked && s.guard.tracks()
	s.guard.release()
	if p, ok := s.err.(*PanicError); ok && st.panic == nil {
		st.panic = p
	}
	failed := s.err != nil
	if len(s.memory.chunks) > 0 {
		st.lent = append(st.lent, st.f.opts.Pool.free(&s.memory)...)
		s.private = nil
	}
	st.idle = append(st.idle, s)
	st.underWay--
	switch {
	case failed:
		st.halt(s.index)
	case s.attempt > 0:
		st.pass(s.index + 1)
	}
}

// pass lets segments up to i go out for the first time.
func (st *progress) pass(i int) {
	st.passed = max(st.passed, i)
	for _, s := range st.window {
		if s.kept && s.index <= st.passed {
			s.kept = false
			st.put(&s.op)
		}
	}
}

// halt keeps back segment i and those after it. Those before it go out: a WriteError
// counts good bytes from the start of the write.
func (st *progress) halt(i int) {
	st.end = min(st.end, i)
	for _, s := range st.window {
		if s.kept && s.index >= st.end {
			s.kept, s.attempt = false, 0
			s.fail(0, nil)
			st.done(s)
		}
	}
}

// leave releases mu, and does the work that must be done without it. It returns a
// submission for the caller to make, or nil.
func (st *progress) leave() *op {
	o, lent := st.inline, st.lent
	st.inline, st.lent = nil, nil
	ended := st.underWay == 0 && st.next >= st.end && !st.over
	st.over = st.over || ended
	st.mu.Unlock()
	goOn(lent)
	if ended {
		st.finish()
	}
	return o
}

// finish releases all that the Write holds, and hands it to the Queue or to await.
func (st *progress) finish() {
	f, w, queue := st.f, st.w, st.queue
	if w.Err = st.settle(); w.Err == nil && st.pending != nil {
		st.pending.Add(-int64(st.n))
	}
	copied := st.copies() && !f.row.copies
	f.stats.count(w.Receipt, w.Err, copied, f.opts.tracks() && !w.Receipt.Tracked && !copied && st.pending == nil)
	for _, s := range st.window {
		s.forget()
	}
	clear(st.parts)
	st.parts, st.pending = st.parts[:0], nil
	f.target.unlock(&st.locked)
	f.opts.Pool.release(&st.private)
	f.leave()
	st.f = nil // so that a Write does not keep its File
	if queue != nil {
		queue.end(w)
		return
	}
	st.mu.Lock()
	st.gone = true
	st.wake.Signal()
	st.mu.Unlock()
}

// settle makes the receipt from the results of the segments, and returns the error of
// the first segment that has one.
func (st *progress) settle() error {
	w := st.w
	r := &w.Receipt
	if len(st.results) > 1 {
		slices.SortFunc(w.Changed, func(a, b Extent) int { return a.Off - b.Off })
	}
	var failed *result // the first
	touched := 0       // the end of the last segment of which anything was submitted
	for i := range st.results {
		res := &st.results[i]
		if res.attempt > 0 {
			touched = st.cuts[i+1]
		}
		if failed == nil {
			r.Sum = crcguard.Combine(r.Sum, res.sum, int64(res.good))
			if r.N += res.good; res.err != nil {
				failed = res
			}
		}
	}
	if w.Sums != nil && r.Summed {
		copy(w.Sums, st.sums[:crcguard.BlocksAt(w.Off, r.N)])
	}
	switch {
	case st.panic != nil:
		return st.panic
	case failed == nil:
		return nil
	}
	return &WriteError{
		Name: st.f.name, Off: w.Off, Len: st.n, Good: r.N, Spoiled: max(0, touched-r.N), Attempt: max(1, failed.attempt), Err: failed.err,
	}
}
