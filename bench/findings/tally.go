package findings

import (
	"fmt"
	"math"

	"stablepages/bench/record"
	"stablepages/bench/repro"
)

// tally adds up writes: those that were torn, of those that could be.
type tally struct{ torn, judged, refused int }

// add adds r. A change that ran free may have torn a write that it came before:
// then all writes are judged.
func (t *tally) add(r record.Repro) {
	of := r.Writes
	if r.Gate {
		of = r.Overlapped
	}
	t.torn += r.Torn
	t.judged += max(0, of-r.WriteErrors)
	t.refused += r.Refused
}

// tried reports whether there were any.
func (t tally) tried() bool { return t.judged+t.refused > 0 }

func (t tally) String() string { return fmt.Sprintf("%d of %d", t.torn, t.judged) }

// cell says what became of writes, and whether that was promised.
func (t tally) cell(promised bool) Cell {
	switch {
	case !t.tried():
		return Cell{Text: "not tried"}
	case t.judged == 0:
		return Cell{fmt.Sprintf("all %d refused", t.refused), Kept}
	case t.torn == 0 && promised:
		return Cell{fmt.Sprintf("%v, below %s", t, repro.Below(t.judged)), Kept}
	case t.torn == 0:
		return Cell{Text: fmt.Sprintf("%v, below %s", t, repro.Below(t.judged))}
	case promised:
		return Cell{fmt.Sprintf("!%v torn", t), Broken}
	}
	return Cell{fmt.Sprintf("%v torn", t), Hole}
}

// share is that of the writes judged that were torn; ok is false if there were none.
func (t tally) share() (s share, ok bool) {
	return share{min(t.torn, t.judged), t.judged}, t.judged > 0
}

// share is how many of some there were.
type share struct{ k, n int }

func (s share) value() float64 { return float64(s.k) / float64(s.n) }

// interval is the 95% interval of the rate that s was drawn from, by Wilson's
// score: E. B. Wilson, "Probable inference, the law of succession, and statistical
// inference", 1927.
func (s share) interval() (lo, hi float64) {
	const z = 1.959964
	n, p := float64(s.n), s.value()
	center := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, center-half), min(1, center+half)
}

// String is s in percent; "-" of nothing.
func (s share) String() string {
	if s.n == 0 {
		return "-"
	}
	return tenths(s.value())
}

func tenths(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

func (s share) bounds() string {
	lo, hi := s.interval()
	return tenths(lo) + " to " + tenths(hi)
}
