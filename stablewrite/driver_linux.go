package stablewrite

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/stablewrite/internal/ring"
)

// driver is a ring and the submissions in flight on it. A goroutine that waits for one of
// them reaps. The owner of a Queue may do something else, so a timer reaps after a
// millisecond: neither a crash window nor a range stays open for longer.
type driver struct {
	mu       sync.Mutex
	ring     *ring.Ring
	slots    []*op // by tag: keeps buffers reachable while the kernel reads them
	free     []uint64
	flying   atomic.Int32
	reaping  atomic.Bool // a goroutine reaps, or has claimed to
	sleeping atomic.Bool // it waits for a completion, or is about to

	timer   *time.Timer     // nil: the goroutine that submits waits
	dropped runtime.Cleanup // closes the ring of a Queue that is not closed
	armed   bool            // the timer runs, and the driver is in flyingRings
}

// iovecs are the parts of a submission as the kernel takes them.
type iovecs []unix.Iovec

func (v *iovecs) of(bufs [][]byte) []unix.Iovec {
	*v = (*v)[:0]
	for _, b := range bufs {
		iov := unix.Iovec{Base: &b[0]}
		iov.SetLen(len(b))
		*v = append(*v, iov)
	}
	return *v
}

func (v *iovecs) forget() { clear((*v)[:cap(*v)]) }

// nop is the tag of a submission that only wakes the reaper.
const nop = ^uint64(0)

// maxDepth bounds the ring of a deep Queue. Submissions that do not fit go by blocking
// calls.
const maxDepth = 2048

// newDriver makes a ring with room for two submissions of each of depth Writes. It
// returns nil if the kernel refuses one. If watched, a timer reaps.
func newDriver(depth int, watched bool) *driver {
	r, err := ring.New(2 * min(depth, maxDepth))
	if err != nil {
		return nil
	}
	d := &driver{ring: r}
	if watched {
		d.timer = time.AfterFunc(time.Hour, d.tick)
		d.timer.Stop()
	}
	d.dropped = runtime.AddCleanup(d, func(r *ring.Ring) { // of a Queue that was dropped
		for ok := true; ok; { // completions of stir
			_, _, ok = r.Reap()
		}
		_ = r.Close()
	}, r)
	return d
}

// flyingRings are the drivers with a timer and something in flight. It also keeps them
// and the buffers from being garbage collected.
var flyingRings = struct {
	mu  sync.Mutex
	all map[*driver]struct{}
}{all: map[*driver]struct{}{}}

// impatient counts goroutines that wait for Writes on any ring to release a range, memory
// or a File.
var impatient atomic.Int32

// hurry makes all rings reap submissions as soon as they complete, until patient is
// called.
func hurry() {
	impatient.Add(1)
	flyingRings.mu.Lock()
	defer flyingRings.mu.Unlock()
	for d := range flyingRings.all {
		if !d.reaping.Load() {
			d.timer.Reset(0)
		}
	}
}

func patient() { impatient.Add(-1) }

// submit gives o to the ring, and reports whether that took it.
func (d *driver) submit(o *op) bool {
	fd := o.seg.of.f.dev.(*linuxFile).fd
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ring == nil {
		return false
	}
	if len(d.free) == 0 {
		d.free = append(d.free, uint64(len(d.slots)))
		d.slots = append(d.slots, nil)
	}
	tag := d.free[len(d.free)-1]
	d.slots[tag] = o
	var err error
	if len(o.bufs) == 1 {
		err = d.ring.Write(fd, o.bufs[0], o.off, tag)
	} else {
		err = d.ring.Writev(fd, o.iov.of(o.bufs), o.off, tag)
	}
	if err != nil {
		d.slots[tag] = nil
		return false
	}
	d.free = d.free[:len(d.free)-1]
	d.flying.Add(1)
	if d.timer != nil && !d.armed {
		d.armed = true
		flyingRings.mu.Lock()
		flyingRings.all[d] = struct{}{}
		flyingRings.mu.Unlock()
		after := idleReap
		if impatient.Load() > 0 {
			after = 0
		}
		d.timer.Reset(after)
	}
	return true
}

// busy reports whether anything is in flight.
func (d *driver) busy() bool { return d != nil && d.flying.Load() > 0 }

// claim makes the caller the reaper, which must call drive, unless there is one. Only the
// reaper reaps: if another goroutine took the completion that woke a waiter, the kernel
// would let the waiter sleep on. After a claim, stir wakes the reaper.
func (d *driver) claim() bool {
	if !d.reaping.CompareAndSwap(false, true) {
		return false
	}
	d.sleeping.Store(true)
	return true
}

// drive waits until a submission completes or stir is called, takes the steps, and
// gives up the claim.
func (d *driver) drive() {
	if d.busy() {
		_ = d.ring.Wait() // an error here comes again at the next submission
	}
	d.sleeping.Store(false)
	d.reap()
	d.reaping.Store(false)
}

// look takes the steps of submissions that completed, unless another goroutine reaps.
func (d *driver) look() {
	if d.reaping.CompareAndSwap(false, true) {
		d.reap()
		d.reaping.Store(false)
	}
}

// stir wakes the goroutine that has claimed the ring, if it waits.
func (d *driver) stir() {
	if d == nil || !d.sleeping.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ring != nil {
		_ = d.ring.Nop(nop) // if the ring is full, completions wake it
	}
}

// close closes the ring. Nothing is in flight on it, and no goroutine waits for it later.
func (d *driver) close() error {
	if d == nil {
		return nil
	}
	for !d.claim() {
		d.stir()
		runtime.Gosched()
	}
	d.reap()
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.ring
	d.ring = nil
	d.dropped.Stop()
	return r.Close()
}

// reap takes the steps of all submissions that completed. Only the reaper calls it.
func (d *driver) reap() {
	var batch [16]struct {
		o   *op
		res int32
	}
	for {
		k := 0
		d.mu.Lock()
		for k < len(batch) && d.ring != nil {
			tag, res, ok := d.ring.Reap()
			if !ok {
				break
			}
			if tag == nop {
				continue
			}
			batch[k].o, batch[k].res = d.slots[tag], res
			d.slots[tag] = nil
			d.free = append(d.free, tag)
			k++
		}
		d.flying.Add(int32(-k))
		d.mu.Unlock()
		if k == 0 {
			return
		}
		for i := range batch[:k] {
			batch[i].o.reaped(batch[i].res)
			batch[i].o = nil
		}
	}
}

// reaped accounts for a completion, and takes the step. If the ring did nothing, or only
// a part, blocking calls do the rest.
func (o *op) reaped(res int32) {
	st := o.seg.of
	n, err := int(res), error(nil)
	if res < 0 {
		n, err = 0, syscall.Errno(-res)
	}
	o.seg.counts.Submissions++
	again := err == syscall.EAGAIN || err == syscall.EINTR || err == syscall.ECANCELED // nothing is known to have landed
	if again || o.landed(n, err) {
		o.elsewhere()
		return
	}
	st.mu.Lock()
	st.ended(o)
	st.leave().elsewhere()
}

// idleReap is the time after which a timer reaps completions that no goroutine waits for.
const idleReap = time.Millisecond

// tick reaps for a Queue whose owner may not be waiting.
func (d *driver) tick() {
	d.look()
	for impatient.Load() > 0 && d.busy() && d.claim() {
		d.drive()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy() {
		d.timer.Reset(idleReap)
		return
	}
	d.armed = false
	flyingRings.mu.Lock()
	delete(flyingRings.all, d)
	flyingRings.mu.Unlock()
}

// borrowed are rings for writes in Do: at most as many as goroutines can submit at a
// time.
var borrowed struct {
	mu   sync.Mutex
	idle []*driver
	made int
}

// borrowRing returns nil if all are in use.
func borrowRing() *driver {
	borrowed.mu.Lock()
	defer borrowed.mu.Unlock()
	if k := len(borrowed.idle) - 1; k >= 0 {
		d := borrowed.idle[k]
		borrowed.idle = borrowed.idle[:k]
		return d
	}
	if borrowed.made >= runtime.GOMAXPROCS(0) {
		return nil
	}
	d := newDriver(windowSegments, false)
	if d != nil {
		borrowed.made++
	}
	return d
}

func returnRing(d *driver) {
	borrowed.mu.Lock()
	defer borrowed.mu.Unlock()
	borrowed.idle = append(borrowed.idle, d)
}
