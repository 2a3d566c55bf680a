package prove

import (
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Failed counts the writes of r that failed according to the victim: it refused them,
// cannot read them, or has different data on its legs.
func Failed(r record.Prove) int { return r.ReadErrors + r.WriteErrors - r.Refused + r.Diverged }

// Silent counts the writes of r that are torn and did not fail according to the victim. It
// does not count plain writes against a free-running mutator: the change may have come
// between the harness's sum and the submission.
func Silent(r record.Prove) int {
	if r.Strategy == stablewrite.Raw && !r.Gate {
		return 0
	}
	return r.Torn - r.ReadErrors - r.Diverged
}
