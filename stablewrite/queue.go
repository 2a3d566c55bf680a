package stablewrite

import (
	"fmt"
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
//		w := q.Wait() // the Write that ended first; w.Err is its error
//		...           // the caller may use its memory again
//		err := q.Start(w) ...
//	}
//	for w := range q.Drain() { // until nothing is under way
//		if w.Err != nil ...
//	}
//
// It is not necessary to call Wait: a goroutine may call only Start, and Drain at the
// end. Until then Writes that ended keep their memory.
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
	changes     uint64    // counts changes of the fields below, and of who drives the ring
	asked       bool      // for a ring
	closed      bool
	underWay    int
	first, last *Write // a list of Writes that ended and were not returned, in that order
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

// start is Start, also for a buffer of a Stream, which counts its pending bytes.
func (q *Queue) start(w *Write, pending *atomic.Int64) error {
	if err := w.claim(); err != nil {
		return err
	}
	st := w.state
	admitted := st.admit(q.f, pending, false)
	err := w.Err
	if err == nil {
		err = q.enter(st)
	}
	switch {
	case err != nil:
		if admitted {
			q.f.leave()
		}
		w.release()
		return err
	case !admitted: // it is empty
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
func (q *Queue) enter(st *progress) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && q.underWay >= q.depth {
		q.wait()
	}
	if q.closed {
		return q.f.wrap("start", fmt.Errorf("the Queue: %w", os.ErrClosed))
	}
	q.underWay++
	if !q.asked && q.f.rings() && !st.parted() && q.f.inside(st.w.Off+int64(st.n)) {
		q.asked = true
		q.ring = newDriver(q.depth, true)
	}
	st.ring = q.ring
	return nil
}

// wait returns when something may have changed. It drives the ring, unless another
// goroutine does. The caller holds mu; wait releases it while it waits.
func (q *Queue) wait() {
	before := q.changes
	q.waiting.Add(1)
	defer q.waiting.Add(-1)
	if ring := q.ring; ring.busy() && ring.claim() { // under mu: a Write that ends from here on stirs it
		q.mu.Unlock()
		ring.drive()
		q.mu.Lock()
		q.changed() // another goroutine may have to drive now
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

// submitted wakes goroutines that wait and may have to drive the ring now.
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

// Wait returns the Write that ended first, and waits until there is one. With nothing under
// way it waits for another goroutine to Start one, as a receive from a channel waits for a
// send; with no other goroutine it waits for ever. Drain and Poll do not wait for a Start.
// Wait returns nil once the Queue is closed and all Writes were returned; Close of the File
// does not end a Queue. OnChanged is called before Wait returns. If the Device panicked, Wait, Poll
// and Drain panic with a *PanicError, which is also in Write.Err.
func (q *Queue) Wait() *Write { return q.handOver(q.await(true)) }

// await returns the Write that ended first. It waits while any is under way or, if
// mayCome, may be started.
func (q *Queue) await(mayCome bool) *Write {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.first == nil && (q.underWay > 0 || mayCome && !q.closed) {
		q.wait()
	}
	return q.unlink()
}

// take is Wait for a Stream. The Stream has something under way, and finds a panic in
// the Write. OnChanged is not called: a Stream writes copies.
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

// unlink takes the Write that ended first, if any, out of the list.
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

// Close waits until nothing is under way. Afterwards Start fails, and Wait returns the
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
