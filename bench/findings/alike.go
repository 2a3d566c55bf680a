package findings

import (
	"stablepages/bench/mutator"
	"stablepages/bench/record"
)

// alike are the races that can be added up and compared: of each mutator those of
// the size and hold that most writers were raced with. Others were made to vary
// these, and are shown as holes.
func alike(recs []record.Repro) (kept []record.Repro) {
	type column struct {
		mutator mutator.Kind
		gate    bool
	}
	type way struct {
		size int
		hold int64
	}
	writers := func(recs []record.Repro) int { return len(parted(recs, record.Repro.Writer)) }
	for _, of := range parted(recs, func(r record.Repro) column { return column{r.Mutator, r.Gate} }) {
		ways, most := parted(of, func(r record.Repro) way { return way{r.Size, r.HoldNS} }), 0
		for _, w := range ways {
			most = max(most, writers(w))
		}
		for _, w := range ways {
			if writers(w) == most {
				kept = append(kept, w...)
			}
		}
	}
	return kept
}
