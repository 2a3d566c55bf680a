package findings

import (
	"slices"

	"stablepages/bench/record"
)

// alike are the races that can be added up and compared: for each mutator those with
// the size and hold that most writers raced. The other races vary size and hold, and
// holesSection shows them.
func alike(recs []record.Repro) (kept []record.Repro) {
	column := func(r record.Repro) record.Repro { return record.Repro{Mutator: r.Mutator, Gate: r.Gate} }
	way := func(r record.Repro) record.Repro { return record.Repro{Size: r.Size, HoldNS: r.HoldNS} }
	writers := func(recs []record.Repro) int { return len(parted(recs, writerOf)) }
	fewer := func(a, b []record.Repro) int { return writers(a) - writers(b) }
	for _, same := range parted(recs, column) {
		ways := parted(same, way)
		most := writers(slices.MaxFunc(ways, fewer))
		for _, w := range ways {
			if writers(w) == most {
				kept = append(kept, w...)
			}
		}
	}
	return kept
}
