package report

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
		column
		size int
		hold int64
	}
	of := func(r record.Repro) way { return way{column{r.Mutator, r.Gate}, r.Size, r.HoldNS} }
	writers := map[way]map[string]bool{}
	most := map[column]int{}
	for _, r := range recs {
		w := of(r)
		if writers[w] == nil {
			writers[w] = map[string]bool{}
		}
		writers[w][r.Writer()] = true
		most[w.column] = max(most[w.column], len(writers[w]))
	}
	for _, r := range recs {
		if w := of(r); len(writers[w]) == most[w.column] {
			kept = append(kept, r)
		}
	}
	return kept
}
