package findings

import (
	"fmt"
	"math"

	"stablepages/bench/record"
	"stablepages/bench/repro"
)

// few writes say little of a rate: 0 torn of fewer bounds it only above 6%, and
// the interval of another share can be 27 points wide.
const few = 50

// share counts k of n.
type share struct{ k, n int }

func (s *share) add(k, n int) { s.k, s.n = s.k+k, s.n+n }

func (s share) String() string { return fmt.Sprintf("%d of %d", s.k, s.n) }

func (s share) value() float64 { return min(1, float64(s.k)/float64(s.n)) }

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

func (s share) percent() string {
	if s.n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*s.value())
}

func (s share) bounds() string {
	if s.n < few {
		return "too few writes"
	}
	lo, hi := s.interval()
	return fmt.Sprintf("%.1f%% to %.1f%%", 100*lo, 100*hi)
}

// tally counts torn writes of all that a change could tear.
type tally struct {
	share
	refused int
}

// add adds r, of which n writes count.
func (t *tally) add(r record.Repro, n int) {
	t.share.add(r.Torn, max(0, n-r.WriteErrors))
	t.refused += r.Refused
}

// exposed counts the writes of r that may be torn. Gated, only those that were changed are.
// A mutator that runs free may tear a write by a change before its submission, so all are.
func exposed(r record.Repro) int {
	if r.Gate {
		return r.Overlapped
	}
	return r.Writes
}

func (t tally) tried() bool { return t.n+t.refused > 0 }

// tellsLittle reports whether t shows no torn write, of too few to bound the rate.
func (t tally) tellsLittle() bool { return t.k == 0 && t.n > 0 && t.n < few }

// torn is "0 of 700 torn".
func (t tally) torn() string {
	if t.tellsLittle() {
		return t.String() + " torn (too few to tell)"
	}
	return t.String() + " torn"
}

// cell says what became of writes, and whether that was promised.
func (t tally) cell(promised bool) Cell {
	switch {
	case !t.tried():
		return Cell{Text: "not tried"}
	case t.n == 0:
		return Cell{fmt.Sprintf("all %d refused", t.refused), Kept}
	case t.k > 0 && promised:
		return Cell{"!" + t.torn(), Broken}
	case t.k > 0:
		return Cell{t.torn(), Hole}
	case t.tellsLittle():
		return Cell{Text: t.String() + ", too few"}
	}
	below := Cell{Text: t.String() + ", below " + repro.Below(t.n)}
	if promised {
		below.Mark = Kept
	}
	return below
}
