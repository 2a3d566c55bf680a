package report

import (
	"fmt"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// detection is how many writes are torn by pages that end in their own CRC-32C.
type detection struct {
	writer string // "verify by crc32c", "verify by digest"
	gate   bool
	torn   share
}

// detections compares what changes can be detected by, where both were tried.
func detections(recs []record.Repro) (all []detection) {
	for _, s := range stablewrite.Strategies() {
		for _, gate := range []bool{true, false} {
			by := map[stablewrite.Detection]*tally{}
			for _, r := range recs {
				if r.Strategy == s && s.Detects() && r.Gate == gate && r.Mutator.SelfSummed() {
					t := by[r.Detect]
					count(&t, r)
					by[r.Detect] = t
				}
			}
			digest, ok := by[stablewrite.ByDigest].share()
			sum, ok2 := by[stablewrite.BySum].share()
			if ok && ok2 {
				all = append(all, detection{fmt.Sprintf("%v by %v", s, stablewrite.ByDigest), gate, digest},
					detection{fmt.Sprintf("%v by %v", s, stablewrite.BySum), gate, sum})
			}
		}
	}
	return all
}
