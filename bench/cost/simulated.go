package cost

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"stablepages/stablewrite"
)

// null is a Device that completes every write at once and keeps nothing, so that only the
// software above it costs anything. It cannot be read.
type null struct{ changes *changes }

var _ stablewrite.Device = (*null)(nil)

// WriteAt returns len(p).
func (d *null) WriteAt(p []byte, off int64) (int, error) {
	d.changes.inFlight(off, len(p))
	return len(p), nil
}

// ReadAt returns an error that wraps errors.ErrUnsupported.
func (d *null) ReadAt([]byte, int64) (int, error) {
	return 0, fmt.Errorf("%w: the device keeps no data", errors.ErrUnsupported)
}

// Size is so large that no write extends the device.
func (d *null) Size() (int64, error) { return math.MaxInt64, nil }

// Geometry is the geometry of a disk with sectors of 512 bytes.
func (d *null) Geometry() stablewrite.Geometry {
	return stablewrite.Geometry{MemAlign: 512, OffsetAlign: 512, Source: "by definition", Why: "not a device of the kernel"}
}

func (d *null) Sync() error  { return nil }
func (d *null) Close() error { return nil }

// delay is a null with a fixed latency and bandwidth. Transfers follow each other, and a
// request completes its latency after its transfer. One goroutine keeps the time for all
// requests. It sleeps and does not spin, so that processor time remains the writer's. It may
// wake late, but the lateness of one request does not delay the next.
type delay struct {
	null
	latency   time.Duration
	bandwidth float64 // bytes per second

	mu    sync.Mutex
	idle  time.Time    // the end of the last transfer
	queue chan waiting // by deadline, which is the order of requests
}

// waiting is a request until its deadline.
type waiting struct {
	until time.Time
	ready chan<- struct{}
}

// maxDelayed bounds the requests in flight; more wait to be accepted.
const maxDelayed = 1 << 12

// newDelay makes a delay with a bandwidth in bytes per second. Close ends its goroutine.
func newDelay(latency time.Duration, bandwidth float64, ch *changes) *delay {
	d := &delay{null: null{ch}, latency: latency, bandwidth: bandwidth, queue: make(chan waiting, maxDelayed)}
	go pace(d.queue)
	return d
}

// pace ends each request at its deadline.
func pace(queue <-chan waiting) {
	runtime.LockOSThread() // sleepUntil sets how precise a thread's timers are
	for w := range queue {
		sleepUntil(w.until)
		close(w.ready)
	}
}

// WriteAt returns len(p) at the deadline.
func (d *delay) WriteAt(p []byte, off int64) (int, error) {
	ready := d.submit(len(p))
	d.changes.inFlight(off, len(p))
	<-ready
	return len(p), nil
}

// submit returns a channel that is closed at the deadline of n bytes.
func (d *delay) submit(n int) (ready chan struct{}) {
	ready = make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); d.idle.Before(now) {
		d.idle = now
	}
	d.idle = d.idle.Add(time.Duration(float64(n) / d.bandwidth * float64(time.Second)))
	d.queue <- waiting{d.idle.Add(d.latency), ready}
	return ready
}

func (d *delay) Close() error {
	close(d.queue)
	return nil
}
