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

// patience is how long a mutator may leave a question unanswered, beyond its
// hold, before it is given up. Time in which this process is stopped does not
// count.
const patience = 10 * time.Second

// Change makes a gated mutator change the buffer and returns when it did. It
// reports whether there was a change: None makes none, Once makes one per write.
// After Hurry it waits a second, no longer.
func (m *Mutator) Change() (bool, error) {
	if m.cfg.Kind == None || m.cfg.Kind == Once && m.lastAsked == m.ctl.writes.Load() {
		return false, nil
	}
	m.lastAsked = m.ctl.writes.Load()
	want := m.ctl.asked.Add(1)
	var waited, hurrying time.Duration
	last := time.Now()
	for i := 0; m.ctl.made.Load() < want; i++ {
		if i%1024 != 0 {
			continue
		}
		select {
		case <-m.ended:
			return m.ctl.made.Load() >= want, m.why
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

// alert is how long a mutator waits without giving way once a write has begun.
// The gate works by how fast it answers: the transfer has begun by then, and to
// be scheduled again takes about as long as a transfer does.
const alert = 20 * time.Millisecond

// awaitMore waits until count exceeds n and reports whether it does: false
// means stop.
func awaitMore(count *atomic.Uint64, n uint64, ctl *control) bool {
	began, writes := time.Now(), ctl.writes.Load()
	for i := 0; count.Load() <= n; i++ {
		if i%1024 != 0 {
			continue
		}
		if ctl.stop.Load() != 0 {
			return false
		}
		if now := ctl.writes.Load(); now != writes {
			began, writes = time.Now(), now
		}
		if waited := time.Since(began); waited > alert {
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
