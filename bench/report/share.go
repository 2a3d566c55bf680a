package report

import (
	"fmt"
	"math"
)

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

func (s share) percent() string { return fmt.Sprintf("%.1f%%", 100*s.value()) }

func (s share) bounds() string {
	lo, hi := s.interval()
	return fmt.Sprintf("%.1f%% to %.1f%%", 100*lo, 100*hi)
}

// share is that of the writes judged that were torn; ok is false if there were
// none.
func (t *tally) share() (s share, ok bool) {
	if t == nil || t.judged == 0 {
		return share{}, false
	}
	return share{min(t.torn, t.judged), t.judged}, true
}
