package report

import (
	"stablepages/bench/cost"
	"stablepages/bench/record"
)

// runs tells the rounds of one run from those of another: a timing is only held
// against raw in the same round of the same run.
type runs struct {
	seen  map[timed]bool
	last  int // round of the last timing, as the run numbers them
	ended int // rounds of the runs before
	most  int // the last round so far
}

// timed is a cell in a round of the run under way.
type timed struct {
	system *record.System
	cell   cost.Cell
	round  int
}

// end ends the run under way.
func (u *runs) end() { u.seen, u.last, u.ended = nil, 0, u.most }

// round numbers r among the rounds of all runs. Runs go round by round, and time a
// cell once in each: where that is not so, another one begins.
func (u *runs) round(r record.Cost) int {
	cell := cost.Cell{Strategy: r.Strategy, Variant: r.Variant, Target: r.Target, Cold: r.Cold, Size: r.Size, Depth: r.Depth, Mutated: r.Mutated}
	key := timed{r.System, cell, r.Round}
	if r.Round < u.last || u.seen[key] {
		u.end()
	}
	if u.seen == nil {
		u.seen = map[timed]bool{}
	}
	u.seen[key], u.last = true, r.Round
	round := u.ended + r.Round
	u.most = max(u.most, round)
	return round
}
