package stablewrite

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// adaptive verifies until bouncing costs less. Costs depend on the size, so each
// size of segment, by its logarithm, is decided apart.
type adaptive struct {
	sizes [bits.UintSize]atomic.Pointer[phases]
}

// of is what is decided for segments of n bytes.
func (a *adaptive) of(n int) *phases {
	size := &a.sizes[bits.Len(uint(n))]
	if size.Load() == nil {
		size.CompareAndSwap(nil, new(phases))
	}
	return size.Load()
}

func (a *adaptive) begin(fl *flight) {
	if a.of(len(fl.p)).bouncing() {
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
	a.of(len(fl.p)).learn(kind, float64(took)/float64(len(fl.p)))
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
	cost    [kinds]recent // ns a byte
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
	return share*p.cost[resubmitted].median()+(1-share)*p.cost[verified].median() > p.cost[bounced].median()
}

func (p *phases) enter(bounces bool, length int) {
	p.bounces, p.left, p.seen = bounces, length, [kinds]int{}
}

// recent is what the last flights of a kind cost. It is summed up by the median:
// a device that stalls now and then does not make a strategy dear.
type recent struct {
	costs [15]float64 // fewer than the shortest phase has, so that each is judged by itself
	n     int
}

func (r *recent) add(v float64) {
	r.costs[r.n%len(r.costs)] = v
	r.n++
}

// median is 0 if there is nothing yet.
func (r *recent) median() float64 {
	costs := r.costs
	seen := costs[:min(r.n, len(costs))]
	if len(seen) == 0 {
		return 0
	}
	slices.Sort(seen)
	return seen[len(seen)/2]
}
