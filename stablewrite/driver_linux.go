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

// driver is a ring and what is in flight on it. That is reaped by whoever waits
// for it; on a Queue, where nobody may, a timer looks after a millisecond, so that
// no crash window and no range stays open because a caller does something else.
type driver struct {
	mu       sync.Mutex
	ring     *ring.Ring
	slots    []*op // by tag: keeps buffers reachable while the kernel reads them
	free     []uint64
	flying   atomic.Int32
	reaping  atomic.Bool // somebody does
	sleeping atomic.Bool // ... or is about to wait for something to reap

	timer   *time.Timer     // nil: whoever submits waits
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

// nop is the tag of what only wakes.
const nop = ^uint64(0)

// maxDepth bounds the ring of a deep Queue. What it has no room for goes by
// blocking calls.
const maxDepth = 2048

// newDriver makes a ring with room for two submissions of each of depth Writes, or
// returns nil if there is none to be had. A timer looks after a watched one.
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
		for ok := true; ok; { // what only was to wake somebody
			_, _, ok = r.Reap()
		}
		_ = r.Close()
	}, r)
	return d
}

// flyingRings are the drivers with a timer that have something in flight. It also
// keeps them, and the buffers, from being collected.
var flyingRings = struct {
	mu  sync.Mutex
	all map[*driver]struct{}
}{all: map[*driver]struct{}{}}

// impatient is how many wait for what rings hold: a range, memory, the end of calls.
var impatient atomic.Int32

// hurry makes whatever rings have in flight be reaped as it completes, until patient
// is called.
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
		look := idleReap
		if impatient.Load() > 0 {
			look = 0
		}
		d.timer.Reset(look)
	}
	return true
}

// busy reports whether anything is in flight.
func (d *driver) busy() bool { return d != nil && d.flying.Load() > 0 }

// claim makes the caller the one who reaps, by drive, unless somebody is. Nobody else
// may: the kernel lets whoever waits sleep on if what woke him was reaped by another.
// What must wake him once he has claimed calls stir.
func (d *driver) claim() bool {
	if !d.reaping.CompareAndSwap(false, true) {
		return false
	}
	d.sleeping.Store(true)
	return true
}

// drive waits until something completed or stir was called, and takes the steps. It
// gives back the claim.
func (d *driver) drive() {
	if d.busy() {
		_ = d.ring.Wait() // an error here comes again at the next submission
	}
	d.sleeping.Store(false)
	d.reap()
	d.reaping.Store(false)
}

// look takes the steps of what completed, unless somebody does.
func (d *driver) look() {
	if d.reaping.CompareAndSwap(false, true) {
		d.reap()
		d.reaping.Store(false)
	}
}

// stir wakes who has claimed the ring, if he waits.
func (d *driver) stir() {
	if d == nil || !d.sleeping.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ring != nil {
		_ = d.ring.Nop(nop) // if the ring is full there are completions to wake by
	}
}

// close closes the ring, on which nothing is in flight. Nobody waits for it ever
// after.
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

// reap takes the steps of all that completed. Nobody else reaps.
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

// reaped accounts for a completion, and takes the step. What the ring was not able
// to do, or did in part, goes on by blocking calls.
func (o *op) reaped(res int32) {
	st := o.seg.of
	n, err := int(res), error(nil)
	if res < 0 {
		n, err = 0, syscall.Errno(-res)
	}
	o.seg.counts.Submissions++
	switch err {
	case syscall.EAGAIN, syscall.EINTR, syscall.ECANCELED: // nothing is known to have landed
		o.elsewhere()
		return
	}
	if o.landed(n, err) {
		o.elsewhere()
		return
	}
	st.mu.Lock()
	st.ended(o)
	st.leave().elsewhere()
}

// idleReap is how long what completed may wait for somebody to look.
const idleReap = time.Millisecond

// tick looks after a ring for whose completions nobody may be waiting.
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

// borrowed are rings for writes that somebody waits for: at most as many as can
// submit at a time.
var borrowed struct {
	mu   sync.Mutex
	idle []*driver
	made int
}

// borrowRing returns nil if there is none to be had.
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
