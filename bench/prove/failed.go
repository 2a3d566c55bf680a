package prove

import (
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Failed counts the writes of r that the victim itself does not stand by: refused,
// unreadable, or not the same on every leg.
func Failed(r record.Prove) int { return r.ReadErrors + r.WriteErrors - r.Refused + r.Diverged }

// Silent counts the writes of r that are torn and that the victim stands by. A
// plain write has no receipt that could be wrong: of a mutator that runs free, the
// change may have come between the harness's sum and the submission.
func Silent(r record.Prove) int {
	if r.Strategy == stablewrite.Raw && !r.Gate {
		return 0
	}
	return r.Torn - r.ReadErrors - r.Diverged
}
