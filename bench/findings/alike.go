package findings

import (
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
	for _, same := range parted(recs, func(r record.Repro) column { return column{r.Mutator, r.Gate} }) {
		ways, most := parted(same, func(r record.Repro) way { return way{r.Size, r.HoldNS} }), 0
		writers := make([]int, len(ways))
		for i, w := range ways {
			writers[i] = len(parted(w, writerOf))
			most = max(most, writers[i])
		}
		for i, w := range ways {
			if writers[i] == most {
				kept = append(kept, w...)
			}
		}
	}
	return kept
}
