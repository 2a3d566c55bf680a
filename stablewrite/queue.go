package stablewrite

import (
	"runtime/debug"
	"sync"
)

// Queue keeps several Writes under way from one goroutine:
//
//	q := f.Queue(32)
//	for w := range requests {
//		q.Start(w) // waits while 32 are under way
//	}
//	for w := q.Wait(); w != nil; w = q.Wait() { // in the order in which they ended
//		if w.Err != nil ...
//	}
//
// From Start until Wait returns it a Write, its Buf (but for changes of its
// bytes) and its Sums are the Queue's. Overlapping Writes that are under way
// together go out one after the other, in no particular order. Nothing of a
// Queue must be closed; Close of the File waits for what is under way. Methods
// may be called concurrently.
type Queue struct {
	f     *File
	depth int

	mu          sync.Mutex
	ended       sync.Cond // on underWay and first
	underWay    int
	first, last *Write // what ended and was not waited for, in that order
}

// queued is what a Write keeps of the Queue it is in.
type queued struct {
	in    *Queue
	start func() // run; go of a func value does not allocate
	next  *Write
	panic any
}

// Queue returns a Queue that has at most depth Writes under way, at least one.
func (f *File) Queue(depth int) *Queue {
	q := &Queue{f: f, depth: max(depth, 1)}
	q.ended.L = &q.mu
	return q
}

// Start begins w and returns as soon as fewer than depth others are under way.
// What comes of it, ErrClosed included, Wait says.
func (q *Queue) Start(w *Write) {
	q.mu.Lock()
	for q.underWay >= q.depth {
		q.ended.Wait()
	}
	q.underWay++
	q.mu.Unlock()
	st := w.begin()
	if st.queued.start == nil {
		st.queued.start = func() { st.queued.in.run(w) }
	}
	st.queued.in, st.queued.panic = q, nil
	if w.Err = q.f.enter(); w.Err != nil {
		q.end(w)
		return
	}
	go st.queued.start()
}

// run is a Write on its goroutine. A panic is brought to whoever waits for it.
func (q *Queue) run(w *Write) {
	whole := false
	defer func() {
		if !whole {
			w.state.queued.panic = &otherPanic{recover(), debug.Stack()}
		}
		q.end(w)
	}()
	defer q.f.leave()
	q.f.do(w)
	whole = true
}

// end lists w as ended.
func (q *Queue) end(w *Write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.state.queued.next = nil
	if q.last == nil {
		q.first = w
	} else {
		q.last.state.queued.next = w
	}
	q.last = w
	q.underWay--
	q.ended.Broadcast()
}

// Wait returns a Write that ended, the one that ended first, waiting for one if
// it must; nil if none is under way. If the Device or OnChanged panicked, Wait
// does.
func (q *Queue) Wait() *Write {
	w := q.next()
	if w != nil && w.state.queued.panic != nil {
		panic(w.state.queued.panic)
	}
	return w
}

func (q *Queue) next() *Write {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.first == nil && q.underWay > 0 {
		q.ended.Wait()
	}
	w := q.first
	if w == nil {
		return nil
	}
	if q.first = w.state.queued.next; q.first == nil {
		q.last = nil
	}
	w.state.queued.next = nil
	return w
}
