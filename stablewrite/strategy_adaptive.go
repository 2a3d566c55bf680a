package stablewrite

import (
	"math/bits"
	"sync"
	"time"
)

// adaptive verifies until bouncing costs less. Costs depend on the size, so each
// size of segment, by its logarithm, is decided apart.
type adaptive struct {
	sizes [bits.UintSize]phases
}

func (a *adaptive) begin(fl *flight) {
	if a.sizes[bits.Len(uint(len(fl.p)))].bouncing() {
		fl.bounce()
	} else {
		verify{}.begin(fl)
	}
}

func (a *adaptive) landed(fl *flight) { verify{}.landed(fl) }

func (a *adaptive) learn(fl *flight, took time.Duration) {
	if fl.err != nil {
		return
	}
	kind := verified
	switch {
	case fl.attempt > 1:
		kind = resubmitted
	case fl.stable:
		kind = bounced
	}
	a.sizes[bits.Len(uint(len(fl.p)))].learn(kind, float64(took)/float64(len(fl.p)))
}

// What a flight under Adaptive was.
const (
	verified = iota // unchanged
	resubmitted
	bounced
	kinds
)

// Lengths of phases, in segments. The share of changed writes is estimated from
// as many writes as a verify phase has. A trial is a verify phase after a bounce
// phase; with a bounce phase of at most longest, trials cost at most
// trial/longest, under 1%, of writes that are submitted twice.
const (
	window   = 32   // a verify phase
	trial    = 8    // a verify phase that follows a bounce phase
	shortest = 32   // the first bounce phase
	longest  = 1024 // doubled each time a trial says bounce again
	refresh  = 64   // verify phases with changes until what bouncing costs is learnt anew
)

// phases decides for one size. Its zero value verifies.
type phases struct {
	mu      sync.Mutex
	bounces bool
	left    int // segments until this phase is judged; 0: it has not begun
	length  int // of the last bounce phase
	stale   int // verify phases with changes since the last bounce phase
	seen    [kinds]int
	cost    [kinds]average // ns a byte
}

func (p *phases) bouncing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bounces
}

// learn counts one flight. Those that began in the phase before teach what they
// cost and decide nothing.
func (p *phases) learn(kind int, cost float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cost[kind].add(cost)
	if (kind == bounced) != p.bounces {
		return
	}
	if p.left == 0 {
		p.left = window
	}
	p.seen[kind]++
	if p.left--; p.left > 0 {
		return
	}
	if p.bounces {
		p.enter(false, trial)
		return
	}
	p.judge()
}

// judge ends a verify phase.
func (p *phases) judge() {
	changed := float64(p.seen[resubmitted])
	share := changed / (changed + float64(p.seen[verified]))
	switch {
	case share == 0:
		p.length = 0
		p.enter(false, window)
	case p.cheaper(share):
		p.length = min(max(2*p.length, shortest), longest)
		p.stale = 0
		p.enter(true, p.length)
	default:
		p.length = 0
		p.stale++
		p.enter(false, window)
	}
}

// cheaper reports whether bouncing costs less than verifying where share of the
// writes change, or that this must be found out.
func (p *phases) cheaper(share float64) bool {
	if p.cost[bounced].n == 0 || p.stale >= refresh {
		return true
	}
	return share*p.cost[resubmitted].mean+(1-share)*p.cost[verified].mean > p.cost[bounced].mean
}

func (p *phases) enter(bounces bool, length int) {
	p.bounces, p.left, p.seen = bounces, length, [kinds]int{}
}

// average is a moving one, over the last 32 or so, that a single stall of the
// device cannot carry away.
type average struct {
	mean float64
	n    int
}

func (a *average) add(v float64) {
	if a.n < 32 {
		a.n++
	} else {
		v = min(v, 4*a.mean)
	}
	a.mean += (v - a.mean) / float64(a.n)
}
