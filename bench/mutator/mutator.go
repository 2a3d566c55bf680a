package mutator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"
)

// Config describes a mutator.
type Config struct {
	Kind  Kind
	In    Where
	Gated bool
	Hold  time.Duration // how long ABA leaves a block changed
	Seed  uint64        // of its random choices
	Size  int           // of the buffer, in bytes, a multiple of 4096
}

// control is the page before the shared buffer.
type control struct {
	ready   atomic.Uint32 // the mutator runs
	stop    atomic.Uint32 // the mutator must end
	hurry   atomic.Uint32 // no more holds
	changes atomic.Uint64 // twice the changes made; odd during a change
	asked   atomic.Uint64 // gated: changes that were asked for
	made    atomic.Uint64 // gated: changes that were made
	writes  atomic.Uint64 // writes that the harness began
	roused  atomic.Uint64 // gated: calls of Rouse
	alert   atomic.Uint64 // gated: the last call of Rouse that the mutator saw
}

// Mutator is a running mutator and the buffer that it changes.
type Mutator struct {
	cfg    Config
	ctl    *control
	buf    []byte
	ended  chan struct{} // closed when the mutator has ended
	why    error         // set before ended is closed, if nobody asked for the end
	end    func()        // waits for the end of what Start started
	unmap  func() error
	closed bool
	// lastAsked is the write of the last Change.
	lastAsked uint64
}

// ErrDied is the error if the process of a mutator ended although nobody asked for it.
var ErrDied = errors.New("the mutator died")

// Buffer is the memory that the mutator changes: Config.Size bytes, aligned to 4096.
// After Close neither the buffer nor any method but Err and Close may be used.
func (m *Mutator) Buffer() []byte { return m.buf }

// BeginWrite fills the buffer for the next write, as the writer would, unless the
// mutator needs the old content.
func (m *Mutator) BeginWrite() {
	if k := &kinds[m.cfg.Kind]; !k.keeps {
		k.fill(m.buf, m.ctl.writes.Load()+1)
	}
	m.ctl.writes.Add(1)
}

// Mark returns the beginning of an interval for Overlapped and Quiet.
func (m *Mutator) Mark() uint64 { return m.ctl.changes.Load() }

// Overlapped reports whether the mutator began or ended a change between mark and now.
// A change that began before mark and has not ended does not count: the mutator may not
// have run in between.
func (m *Mutator) Overlapped(mark uint64) bool { return m.ctl.changes.Load() != mark }

// Quiet reports whether it is certain that no change was under way between mark and now.
func (m *Mutator) Quiet(mark uint64) bool { return mark%2 == 0 && m.ctl.changes.Load() == mark }

// patience is how long a mutator may take to answer, beyond its hold. Time in which
// this process is stopped does not count.
const patience = 10 * time.Second

// Rouse makes a gated mutator wait for the next Change without giving up its processor,
// and returns when the mutator does so. The change must come soon after the submission:
// the transfer has begun then, and takes about as long as scheduling a thread.
func (m *Mutator) Rouse() error {
	if m.cfg.Kind == None {
		return nil
	}
	_, err := m.await(&m.ctl.alert, m.ctl.roused.Add(1))
	return err
}

// Change makes a gated mutator change the buffer, and returns when the buffer is
// changed. A kind that Restores has not restored it yet: call Restored before the next
// Change or BeginWrite. Change reports whether there was a change: None makes none,
// Once makes one per write. After Hurry it waits at most a second.
func (m *Mutator) Change() (bool, error) {
	if m.cfg.Kind == None || m.cfg.Kind == Once && m.lastAsked == m.ctl.writes.Load() {
		return false, nil
	}
	m.lastAsked = m.ctl.writes.Load()
	before := m.Mark()
	want := m.ctl.asked.Add(1)
	if m.cfg.Kind.Restores() {
		return m.await(&m.ctl.changes, before+2)
	}
	return m.await(&m.ctl.made, want)
}

// Restored waits until the mutator has restored what Change changed, if its kind
// Restores. The caller may reap the completion before: waiting here would take a
// processor from the transfer.
func (m *Mutator) Restored() error {
	_, err := m.await(&m.ctl.made, m.ctl.asked.Load())
	return err
}

// await waits until count reaches want, and reports whether it did.
func (m *Mutator) await(count *atomic.Uint64, want uint64) (bool, error) {
	var waited, hurrying time.Duration
	last := time.Now()
	for i := 0; count.Load() < want; i++ {
		if i%1024 != 0 {
			continue
		}
		select {
		case <-m.ended:
			return count.Load() >= want, m.why
		default:
		}
		now := time.Now()
		passed := min(now.Sub(last), 100*time.Millisecond)
		waited += passed
		if m.ctl.hurry.Load() != 0 {
			if hurrying += passed; hurrying > time.Second {
				return false, nil
			}
		}
		if last = now; waited > m.cfg.Hold+patience {
			return false, fmt.Errorf("the mutator did not answer within %v", waited.Round(time.Second))
		}
		rest(waited)
	}
	return true, nil
}

// Hurry ends the present hold and all further holds at once. A gated mutator still
// makes the changes that it is asked for; a free-running mutator makes no more.
func (m *Mutator) Hurry() { m.ctl.hurry.Store(1) }

func (m *Mutator) stop() {
	m.ctl.stop.Store(1)
	m.Hurry()
}

// Err is nil unless the mutator ended although nobody asked for it.
func (m *Mutator) Err() error {
	select {
	case <-m.ended:
		return m.why
	default:
		return nil
	}
}

// Close ends the mutator and frees the buffer. It returns the error of Err.
func (m *Mutator) Close() error {
	if m.closed {
		return m.Err()
	}
	m.closed = true
	died := m.Err()
	m.stop()
	m.end()
	return errors.Join(died, m.unmap())
}

func newRand(seed uint64, k Kind) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(k))) }

// run is the mutator. It returns when ctl says stop.
func run(ctl *control, buf []byte, cfg Config) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	kind := &kinds[cfg.Kind]
	change := kind.new(&buffer{buf: buf, rng: newRand(cfg.Seed, cfg.Kind), hold: cfg.Hold, ctl: ctl})
	ctl.ready.Store(1)
	seen := ctl.writes.Load()
	for ctl.stop.Load() == 0 {
		switch {
		case cfg.Gated:
			if awaitMore(&ctl.asked, ctl.made.Load(), ctl) {
				change()
				ctl.made.Add(1)
			}
		case cfg.Kind == Once:
			if awaitMore(&ctl.writes, seen, ctl) {
				seen = ctl.writes.Load()
				change()
			}
		case ctl.hurry.Load() != 0: // without its pauses it would be another mutator
			time.Sleep(time.Millisecond)
		default:
			change()
			wait(kind.pause, ctl)
		}
	}
}

// hot is how long a roused mutator waits without giving up its processor.
const hot = 20 * time.Millisecond

// awaitMore waits until count exceeds n. It returns false if ctl says stop.
func awaitMore(count *atomic.Uint64, n uint64, ctl *control) bool {
	began := time.Now()
	for i := 0; count.Load() <= n; i++ {
		if roused := ctl.roused.Load(); roused != ctl.alert.Load() {
			began = time.Now()
			ctl.alert.Store(roused)
		}
		if i%1024 != 0 {
			continue
		}
		if ctl.stop.Load() != 0 {
			return false
		}
		if waited := time.Since(began); waited > hot {
			rest(waited)
		}
	}
	return true
}

// rest lets other threads run, for longer the longer the caller has waited.
func rest(waited time.Duration) {
	switch {
	case waited > 100*time.Millisecond:
		time.Sleep(time.Millisecond)
	case waited > 5*time.Millisecond:
		time.Sleep(20 * time.Microsecond)
	case waited > 100*time.Microsecond:
		runtime.Gosched()
	}
}

// wait waits for d, or until ctl says hurry. Short waits spin, because timers on a busy
// machine are late by more than a write takes.
func wait(d time.Duration, ctl *control) {
	const short = 2 * time.Millisecond
	for began := time.Now(); ctl.hurry.Load() == 0; {
		left := d - time.Since(began)
		if left <= 0 {
			return
		}
		if left > short {
			time.Sleep(min(left-short/2, 20*time.Millisecond))
		}
	}
}
