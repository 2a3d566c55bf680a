package stablewrite

import "sync"

// Queue keeps several Writes under way from one goroutine. File.Queue makes one:
//
//	q := f.Queue(32)
//	for w := range requests {
//		if err := q.Start(w); err != nil ... // waits while 32 are under way
//	}
//	for w := q.Wait(); w != nil; w = q.Wait() { // in the order in which they ended
//		if w.Err != nil ...
//	}
//
// From Start until Wait returns it a Write, its Buf (but for changes of its
// bytes) and its Sums are the Queue's. Overlapping Writes that are under way
// together go out one after the other, in no particular order. Nothing of a
// Queue must be closed; Close of the File waits for what is under way. Methods
// may be called concurrently, but OnChanged, called for a Write of a Queue, waits
// for itself if it uses that Queue.
//
// Each Write under way is a goroutine in a system call, which keeps a processor of
// the Go runtime (GOMAXPROCS) until the runtime notices, which may take longer than
// a write. With GOMAXPROCS less than depth fewer writes are in flight than could be.
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
	panic *PanicError
}

// Queue returns a Queue that has at most depth Writes under way, at least one.
func (f *File) Queue(depth int) *Queue {
	q := &Queue{f: f, depth: max(depth, 1)}
	q.ended.L = &q.mu
	return q
}

// Start begins w and returns as soon as fewer than depth others are under way.
// If it returns an error, w was not begun and Wait will not return it: the File
// is closed (os.ErrClosed), or w is under way already (ErrUnderWay).
func (q *Queue) Start(w *Write) error {
	if err := w.claim(); err != nil {
		return err
	}
	q.mu.Lock()
	for q.underWay >= q.depth {
		q.ended.Wait()
	}
	q.underWay++
	q.mu.Unlock()
	if err := q.f.enter(); err != nil {
		w.release()
		q.mu.Lock()
		defer q.mu.Unlock()
		q.underWay--
		q.ended.Broadcast()
		return err
	}
	st := &w.state.queued
	if st.start == nil {
		st.start = func() { st.in.run(w) }
	}
	st.in = q
	go st.start()
	return nil
}

// run is a Write on its goroutine. A panic is brought to whoever waits for it.
func (q *Queue) run(w *Write) {
	st := &w.state.queued
	defer func() {
		if st.panic != nil {
			w.Err = st.panic
		}
		q.end(w)
	}()
	catch(&st.panic, func() { q.f.finish(w) })
}

// end lists w as ended.
func (q *Queue) end(w *Write) {
	q.mu.Lock()
	defer q.mu.Unlock()
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
// panics with that PanicError, which is in Write.Err too.
func (q *Queue) Wait() *Write {
	w := q.next()
	if w == nil {
		return nil
	}
	p := w.state.queued.panic
	w.state.queued = queued{start: w.state.queued.start}
	w.release() // from here on it may be somebody else's
	if p != nil {
		panic(p)
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
	return w
}
