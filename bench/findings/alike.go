package findings

import (
	"slices"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
)

// alike are the races that can be added up and compared: for each mutator those with
// the size and hold that most writers raced. The other races vary size and hold, and
// holesSection shows them.
func alike(recs []record.Repro) (kept []record.Repro) {
	type column struct {
		mutator mutator.Kind
		gate    bool
	}
	type way struct {
		size int
		hold int64
	}
	writers := func(recs []record.Repro) int { return len(parted(recs, writerOf)) }
	fewer := func(a, b []record.Repro) int { return writers(a) - writers(b) }
	for _, same := range parted(recs, func(r record.Repro) column { return column{r.Mutator, r.Gate} }) {
		ways := parted(same, func(r record.Repro) way { return way{r.Size, r.HoldNS} })
		most := writers(slices.MaxFunc(ways, fewer))
		for _, w := range ways {
			if writers(w) == most {
				kept = append(kept, w...)
			}
		}
	}
	return kept
}
