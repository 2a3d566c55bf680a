package mutator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"
)

// Where a mutator runs. The zero value is Process.
type Where uint8

const (
	Process Where = iota // another process, sharing the buffer through a memfd
	Thread               // a thread of this process
)

var places = [...]string{Process: "process", Thread: "thread"}

// String returns "process" or "thread".
func (w Where) String() string {
	if int(w) >= len(places) {
		return fmt.Sprintf("Where(%d)", uint8(w))
	}
	return places[w]
}

// MarshalText implements encoding.TextMarshaler.
func (w Where) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Where) UnmarshalText(text []byte) error {
	for i, name := range places {
		if name == string(text) {
			*w = Where(i)
			return nil
		}
	}
	return fmt.Errorf("a mutator runs in a process or in a thread, not in a %q", text)
}

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
	stop    atomic.Uint32 // end
	hurry   atomic.Uint32 // hold no longer
	changes atomic.Uint64 // twice the changes made; odd while one is being made
	asked   atomic.Uint64 // gated: changes asked for
	made    atomic.Uint64 // gated: changes made
	writes  atomic.Uint64 // writes that the harness began
	roused  atomic.Uint64 // gated: how often the harness said that a question is near
	alert   atomic.Uint64 // gated: the last such saying that the mutator heard
}

// Mutator is a running mutator and the buffer it changes.
type Mutator struct {
	cfg    Config
	ctl    *control
	buf    []byte
	ended  chan struct{} // closed when it no longer runs
	why    error         // set before ended is closed, if that was not asked for
	end    func()        // ends what Start started, and returns when it did
	unmap  func() error
	closed bool
	// lastAsked is the write for which Once was last asked to change.
	lastAsked uint64
}

// ErrDied: the process of a mutator ended without having been told to.
var ErrDied = errors.New("the mutator died")

// Buffer is the memory that the mutator changes: aligned to 4096, of Config.Size.
// It is gone after Close, and so are the other methods but for Err and Close.
func (m *Mutator) Buffer() []byte { return m.buf }

// BeginWrite prepares the buffer for the next write, as the writer would: with
// content of its own, unless the mutator's must stay.
func (m *Mutator) BeginWrite() {
	if fill := kinds[m.cfg.Kind].fill; fill != nil {
		fill(m.buf, m.ctl.writes.Load()+1)
	}
	m.ctl.writes.Add(1)
}

// Mark is a moment, for Overlapped.
func (m *Mutator) Mark() uint64 { return m.ctl.changes.Load() }

// Overlapped reports whether the mutator began or ended a change between mark
// and now. One that lasts from before to after does not count: it may be that of
// a process that does not run.
func (m *Mutator) Overlapped(mark uint64) bool { return m.ctl.changes.Load() != mark }

// Quiet reports whether the buffer did not change between mark and now for
// certain: no change was even under way.
func (m *Mutator) Quiet(mark uint64) bool { return mark%2 == 0 && m.ctl.changes.Load() == mark }

// patience is how long a mutator may leave a question unanswered, beyond its
// hold, before it is given up. Time in which this process is stopped does not
// count.
const patience = 10 * time.Second

// Rouse has a gated mutator wait for the next question without giving way, and
// returns when it does. The gate works by how fast the answer comes: the transfer
// has begun by then, and to be scheduled again takes about as long as a transfer.
func (m *Mutator) Rouse() error {
	if m.cfg.Kind == None {
		return nil
	}
	want := m.ctl.roused.Add(1)
	_, err := m.await(&m.ctl.alert, want)
	return err
}

// Change makes a gated mutator change the buffer and returns when it did; a kind
// that Restores has not restored it yet, so that Restored must be called before
// the next Change or BeginWrite. It reports whether there was a change: None makes
// none, Once makes one per write. After Hurry it waits a second, no longer.
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

// Restored returns when what a Change changed has been changed back, if its kind
// does that. Until then the caller may reap the completion: to wait for it here
// would keep a processor from those who move the data.
func (m *Mutator) Restored() error {
	_, err := m.await(&m.ctl.made, m.ctl.asked.Load())
	return err
}

// await waits for a count of the mutator's to reach want, and reports whether it
// did.
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

// Hurry ends the hold that is under way, and all further ones, at once: the end
// is near. A gated mutator still makes the changes it is asked for, one that runs
// free makes no more.
func (m *Mutator) Hurry() { m.ctl.hurry.Store(1) }

func (m *Mutator) stop() {
	m.ctl.stop.Store(1)
	m.Hurry()
}

// Err is nil unless the mutator ended without having been told to.
func (m *Mutator) Err() error {
	select {
	case <-m.ended:
		return m.why
	default:
		return nil
	}
}

// Close ends the mutator and frees the buffer. It returns what Err does.
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

// run is the mutator itself, until told to stop.
func run(ctl *control, buf []byte, cfg Config) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	kind := &kinds[cfg.Kind]
	change := kind.new(&victim{buf: buf, rng: newRand(cfg.Seed, cfg.Kind), hold: cfg.Hold, ctl: ctl})
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

// hot is how long a mutator that was roused waits without giving way.
const hot = 20 * time.Millisecond

// awaitMore waits until count exceeds n and reports whether it does: false
// means stop.
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

// rest gives way to others, the longer the waiting has lasted already.
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

// wait waits for d, or until ctl says hurry. Short waits spin: the timers of a
// busy machine are coarser than a write is long.
func wait(d time.Duration, ctl *control) {
	const short = 2 * time.Millisecond
	for began := time.Now(); ; {
		left := d - time.Since(began)
		if left <= 0 || ctl.hurry.Load() != 0 {
			return
		}
		if left > short {
			time.Sleep(min(left-short/2, 20*time.Millisecond))
		}
	}
}
