package stablewrite

import (
	"testing"
	"time"
)

// run plays n segments of which share change, and returns how many bounced.
// Costs are those of a model, in ns a byte.
func (p *phases) play(n int, share, verify, resubmit, bounce float64) (bounces int) {
	due := 0.0
	for range n {
		if p.bouncing() {
			bounces++
			p.learn(bounced, bounce)
		} else if due += share; due >= 1 {
			due--
			p.learn(resubmitted, resubmit)
		} else {
			p.learn(verified, verify)
		}
	}
	return bounces
}

func TestAdaptiveMovesAtTheCrossover(t *testing.T) {
	const verify, resubmit, bounce = 1.0, 2.0, 1.3 // the crossover is at 30%
	for _, c := range []struct {
		share  float64
		lo, hi int // of 100 segments, in steady state
		about  string
	}{
		{0, 0, 0, "nothing changes"},
		{0.1, 0, 5, "below the crossover"},
		{0.5, 90, 100, "above it"},
		{1, 95, 100, "everything changes"},
	} {
		var p phases
		p.play(20_000, c.share, verify, resubmit, bounce)
		got := p.play(10_000, c.share, verify, resubmit, bounce) / 100
		if got < c.lo || got > c.hi {
			t.Errorf("%s: %d%% bounce", c.about, got)
		}
	}
}

// With everything changing it submits at most 1.05 times as much as it writes;
// when the changes end it verifies again.
func TestAdaptiveTriesItsWayBack(t *testing.T) {
	var p phases
	p.play(20_000, 1, 1, 2, 1.3)
	verifies := 100_000 - p.play(100_000, 1, 1, 2, 1.3)
	if verifies == 0 || verifies > 1_000 {
		t.Errorf("%d of 100000 segments were tried", verifies)
	}
	p.play(2*longest, 0, 1, 2, 1.3)
	if bounces := p.play(1000, 0, 1, 2, 1.3); bounces != 0 {
		t.Errorf("%d of 1000 segments bounce though nothing changes any more", bounces)
	}
	// Bouncing that is dearer than everything is found out and left.
	p.play(20_000, 1, 1, 2, 3)
	if bounces := p.play(10_000, 1, 1, 2, 3) / 100; bounces > 5 {
		t.Errorf("%d%% bounce though that costs more", bounces)
	}
}

// Flights that began in the phase before decide nothing about this one.
func TestLateFlightsDecideNothing(t *testing.T) {
	var p phases
	p.enter(true, 8)
	for range 100 {
		p.learn(verified, 1)
		p.learn(resubmitted, 1)
	}
	if !p.bounces || p.left != 8 {
		t.Errorf("%+v", &p)
	}
}

// One stall of the device does not decide, whichever flight it meets.
func TestAStallIsNoCost(t *testing.T) {
	for _, kind := range []int{verified, resubmitted, bounced} {
		for at := range 100 {
			var p phases
			due := 0
			for i := range 1000 {
				cost := map[int]float64{verified: 1, resubmitted: 2, bounced: 1.3}
				if i >= at && due == 0 {
					cost[kind] = 1e9
				}
				k := resubmitted
				if p.bouncing() {
					k = bounced
				} else if i%8 == 0 {
					k = verified
				}
				if k == kind && i >= at {
					due++
				}
				p.learn(k, cost[k])
			}
			if bounces := p.play(10_000, 1, 1, 2, 1.3); bounces < 9500 {
				t.Fatalf("a stall at %d of kind %d: %d of 10000 segments bounce though everything changes", at, kind, bounces)
			}
		}
	}
}

// What bouncing costs is learnt anew while verifying seems cheaper.
func TestBouncingIsTriedAgain(t *testing.T) {
	var p phases
	if p.play(20_000, 1, 1, 2, 3); p.bounces {
		t.Fatal("bounces though that costs more")
	}
	p.play(2*refresh*window, 1, 1, 2, 1.3)
	if bounces := p.play(10_000, 1, 1, 2, 1.3); bounces < 9500 {
		t.Errorf("%d of 10000 segments bounce, which has become cheap", bounces)
	}
}

// The strategy itself: what is submitted is what the phase says, what it learns
// is by the size of the segment.
func TestAdaptiveBouncesWhatItDecidedTo(t *testing.T) {
	d, p := changing(16 * kib4)
	f := d.file(t, Options{Strategy: Adaptive})
	a := f.steps.(*adaptive)
	for range 64 {
		if _, err := f.WriteAt(p, 0); err != nil {
			t.Fatal(err)
		}
	}
	size := a.of(len(p))
	if size.cost[resubmitted].n == 0 || size.cost[bounced].n == 0 {
		t.Errorf("%+v", size)
	}
	size.bounces, size.left, size.length = true, longest, longest
	before := f.Stats()
	w := Write{Buf: p, Sums: make([]uint32, 16)}
	if err := f.Do(&w); err != nil || w.Receipt.ChangedBlocks != 0 || f.Stats().Submissions != before.Submissions+1 {
		t.Errorf("%v %+v", err, w.Receipt)
	}
	d.trueOf(t, &w)
	small := Write{Buf: p[:kib4]} // another size, which has decided nothing
	if err := f.Do(&small); err != nil || small.Receipt.ChangedBlocks != 1 {
		t.Errorf("%v %+v", err, small.Receipt)
	}
	a.learn(&flight{p: p, err: ErrChanged}, time.Hour)
	if size.cost[verified].n != 0 {
		t.Error("a failed flight taught something")
	}
}
