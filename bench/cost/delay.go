package cost

import (
	"os"
	"runtime"
	"sync"
	"time"
)

// delay is a Device of a fixed latency and bandwidth that keeps nothing: what is
// measured on it does not depend on a disk. Requests share the bandwidth, one
// after the other, and each completes its latency after its transfer. newDelay
// makes one. It cannot be read.
//
// One goroutine keeps the time for all that is in flight, asleep and not
// spinning, so that processor time remains the writer's. It wakes late, by what
// the kernel's timers and scheduler take; Linux is asked not to round. A device
// that waits for its turn is not late twice: transfers follow each other by the
// clock.
type delay struct {
	null      // what it is but for the time that it takes
	latency   time.Duration
	bandwidth float64 // bytes per second

	mu     sync.Mutex
	idle   time.Time // when the last transfer ends
	closed bool
	queue  chan waiting // by deadline: that is the order in which requests come
	ready  sync.Pool    // chan struct{}
}

// waiting is a request until its deadline.
type waiting struct {
	until time.Time
	ready chan<- struct{}
}

// maxDelayed is how many requests are in flight at most; more wait to be
// accepted.
const maxDelayed = 1 << 12

// newDelay makes a delay of latency and bandwidth in bytes per second. Close
// gives back its goroutine.
func newDelay(latency time.Duration, bandwidth float64) *delay {
	d := &delay{latency: latency, bandwidth: bandwidth, queue: make(chan waiting, maxDelayed)}
	d.ready.New = func() any { return make(chan struct{}, 1) }
	go pace(d.queue)
	return d
}

// pace ends each request at its deadline.
func pace(queue <-chan waiting) {
	runtime.LockOSThread() // sleepUntil sets how precise a thread's timers are
	for w := range queue {
		sleepUntil(w.until)
		w.ready <- struct{}{}
	}
}

// WriteAt returns len(p) when the time is over.
func (d *delay) WriteAt(p []byte, off int64) (int, error) {
	ready := d.ready.Get().(chan struct{})
	defer d.ready.Put(ready)
	if err := d.submit(len(p), ready); err != nil {
		return 0, err
	}
	if d.inFlight != nil {
		d.inFlight(off, len(p))
	}
	<-ready
	return len(p), nil
}

func (d *delay) submit(n int, ready chan<- struct{}) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return os.ErrClosed
	}
	if now := time.Now(); d.idle.Before(now) {
		d.idle = now
	}
	d.idle = d.idle.Add(time.Duration(float64(n) / d.bandwidth * float64(time.Second)))
	d.queue <- waiting{d.idle.Add(d.latency), ready}
	return nil
}

// Close must come after the last write returned, as that of every Device.
func (d *delay) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		close(d.queue)
	}
	return nil
}
