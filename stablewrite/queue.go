package stablewrite

import (
	"iter"
	"os"
	"sync"
	"sync/atomic"
)

// Queue keeps several Writes under way from one goroutine. File.Queue makes one:
//
//	q := f.Queue(32)
//	defer q.Close()
//	for i := range 32 {
//		err := q.Start(&writes[i]) ...
//	}
//	for more {
//		w := q.Wait() // the one that ended first; w.Err says how
//		...           // its memory is the caller's again
//		err := q.Start(w) ...
//	}
//	for w := range q.Drain() { // until nothing is under way
//		if w.Err != nil ...
//	}
//
// A goroutine may call Start only, and Drain at the end; until then Writes that ended
// keep their memory.
//
// From Start until Wait, Poll or Drain returns it, a Write and its Sums belong to the
// Queue, and its memory must not be reused, though its bytes may change. Writes that
// overlap go out one after the other, in the order of Start. Methods may be called
// concurrently.
type Queue struct {
	f       *File
	depth   int
	waiting atomic.Int32

	mu          sync.Mutex
	ring        *driver   // nil: all submissions are blocking calls
	change      sync.Cond // on changes
	changes     uint64    // of what follows, and of who is to drive the ring
	asked       bool      // for a ring
	closed      bool
	underWay    int
	first, last *Write // what ended and was not returned, in that order
}

// Queue returns a Queue that has at most depth Writes under way, at least one.
func (f *File) Queue(depth int) *Queue {
	q := &Queue{f: f, depth: max(depth, 1)}
	q.change.L = &q.mu
	return q
}

// Start begins w as soon as fewer Writes than the Queue's depth are under way and, if
// w is copied, private memory is free. It does not wait for Writes that w overlaps: w
// goes out when its turn comes, and counts as under way. If it returns an error, w
// was not begun and Wait will not return it: the request is refused, the File or the
// Queue is closed (os.ErrClosed), or w is under way already (ErrUnderWay).
func (q *Queue) Start(w *Write) error { return q.start(w, nil) }

// start is Start, also of a buffer of a Stream, of which so many bytes are pending.
func (q *Queue) start(w *Write, pending *atomic.Int64) error {
	if err := w.claim(); err != nil {
		return err
	}
	if err := q.enter(w, pending); err != nil {
		w.release()
		return err
	}
	st := w.state
	if st.n == 0 {
		q.end(w)
		return nil
	}
	st.queue = q
	st.reserve()
	st.locked.parked = st
	if off, end := st.reach(); q.f.target.enter(&st.locked, off, end) {
		st.begin().elsewhere()
	}
	return nil
}

// enter waits for a place in the Queue.
func (q *Queue) enter(w *Write, pending *atomic.Int64) error {
	if err := q.f.enter(); err != nil {
		return err
	}
	err := q.admit(w, pending)
	if err != nil || w.state.n == 0 {
		q.f.leave()
	}
	return err
}

func (q *Queue) admit(w *Write, pending *atomic.Int64) error {
	if w.state.admit(q.f, pending, false); w.Err != nil {
		return w.Err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && q.underWay >= q.depth {
		q.wait()
	}
	if q.closed {
		return q.f.wrap("start", os.ErrClosed)
	}
	q.underWay++
	st := w.state
	if !q.asked && q.f.rings() && !st.parted() && q.f.inside(w.Off+int64(st.n)) {
		q.asked = true
		q.ring = newDriver(q.depth, true)
	}
	st.ring = q.ring
	return nil
}

// wait returns when something may have changed. It drives the ring, unless
// somebody else does. mu is held, but not meanwhile.
func (q *Queue) wait() {
	before := q.changes
	q.waiting.Add(1)
	defer q.waiting.Add(-1)
	if ring := q.ring; ring.busy() && ring.claim() { // under mu: what ends from here on stirs it
		q.mu.Unlock()
		ring.drive()
		q.mu.Lock()
		q.changed() // somebody else may have to drive now
		return
	}
	for q.changes == before {
		q.change.Wait()
	}
}

func (q *Queue) changed() {
	q.changes++
	q.change.Broadcast()
}

// submitted wakes those who wait and may have to drive the ring now.
func (q *Queue) submitted() {
	if q.waiting.Load() > 0 {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed()
	}
}

// end lists w as ended.
func (q *Queue) end(w *Write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.state.link = nil
	if q.last == nil {
		q.first = w
	} else {
		q.last.state.link = w
	}
	q.last = w
	q.underWay--
	q.changed()
	q.ring.stir()
}

// Wait returns the Write that ended first, and waits until there is one; if nothing
// is under way it waits for another goroutine to Start one. It returns nil once the
// Queue is closed and all Writes were returned; Close of the File does not end a
// Queue. OnChanged is called before Wait returns. If the Device panicked, Wait, Poll
// and Drain panic with a *PanicError, which is also in Write.Err.
func (q *Queue) Wait() *Write { return q.handOver(q.await(true)) }

// await returns what ended first, and waits for it as long as anything is under way,
// or may come.
func (q *Queue) await(mayCome bool) *Write {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.first == nil && (q.underWay > 0 || mayCome && !q.closed) {
		q.wait()
	}
	return q.unlink()
}

// take is Wait for a Stream, which has something under way, is told of no changes,
// and takes a panic from the Write.
func (q *Queue) take() *Write {
	w := q.await(false)
	w.release()
	return w
}

// Poll returns a Write that ended, or nil if none has.
func (q *Queue) Poll() *Write {
	q.mu.Lock()
	ring := q.ring
	q.mu.Unlock()
	if ring.busy() {
		ring.look()
	}
	q.mu.Lock()
	w := q.unlink()
	q.mu.Unlock()
	return q.handOver(w)
}

// Drain yields Writes that ended, until nothing is under way.
func (q *Queue) Drain() iter.Seq[*Write] {
	return func(yield func(*Write) bool) {
		for {
			if w := q.handOver(q.await(false)); w == nil || !yield(w) {
				return
			}
		}
	}
}

// handOver gives w, if any, back to the caller.
func (q *Queue) handOver(w *Write) *Write {
	if w == nil {
		return nil
	}
	defer w.release()
	if died := w.state.panic; died != nil {
		panic(died)
	}
	q.f.watch(w)
	return w
}

// unlink takes what ended first out of the list.
func (q *Queue) unlink() *Write {
	w := q.first
	if w == nil {
		return nil
	}
	if q.first = w.state.link; q.first == nil {
		q.last = nil
	}
	w.state.link, w.state.queue, w.state.ring = nil, nil, nil
	return w
}

// Close waits until nothing is under way. After it Start fails, and Wait returns the
// Writes that have ended, then nil. A Queue that is not closed holds a descriptor
// until it is garbage collected.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	again := q.closed
	q.closed = true
	q.changed()
	for q.underWay > 0 {
		q.wait()
	}
	if again {
		return q.f.wrap("close a Queue of", os.ErrClosed)
	}
	return q.ring.close()
}
