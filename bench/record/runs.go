package record

// runs tells the rounds of one run from those of another: a timing is
// compared only with raw in the same round of the same run.
type runs struct {
	seen  map[timed]bool // in the run under way
	ended int            // rounds of the runs before
	most  int            // the last round so far
}

// timed is a timing in a round.
type timed struct {
	system *System
	CostKey
	round int
}

// end ends the run under way.
func (u *runs) end() { u.seen, u.ended = nil, u.most }

// round numbers r among the rounds of all runs. A run times each once a
// round: what comes twice is of another one.
func (u *runs) round(r Cost) int {
	key := timed{r.System, r.Key(), r.Round}
	if u.seen[key] {
		u.end()
	}
	if u.seen == nil {
		u.seen = map[timed]bool{}
	}
	u.seen[key] = true
	round := u.ended + r.Round
	u.most = max(u.most, round)
	return round
}
