package findings

import (
	"testing"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

func TestRacesThatVaryTheHoldAreNotAddedToTheMatrix(t *testing.T) {
	race := func(s stablewrite.Strategy, size int, hold time.Duration) record.Repro {
		return record.Repro{Strategy: s, Mutator: mutator.ABA, Gate: true, Size: size, HoldNS: int64(hold), Writes: 10, Overlapped: 10}
	}
	all := []record.Repro{
		race(stablewrite.Raw, 1<<20, time.Millisecond), race(stablewrite.Verify, 1<<20, time.Millisecond),
		race(stablewrite.Verify, 1<<20, 0), race(stablewrite.Verify, 4096, time.Millisecond),
	}
	if got := alike(all); len(got) != 2 || got[0] != all[0] || got[1] != all[1] {
		t.Errorf("%+v", got)
	}
	if got := rows(matrixSection(System{Races: all, races: judge(all)}, true).Tables[0]); got != "|aba\nraw|0/10\nverify|0/10\n" {
		t.Error(got)
	}
	// Nothing tells these apart.
	if same := all[1:]; len(alike(same)) != len(same) {
		t.Errorf("%+v", alike(same))
	}
}

func TestABrokenPromiseIsSeenWhateverTheHold(t *testing.T) {
	var res record.Results
	for _, r := range honest() {
		res.Add(r)
	}
	bad := record.Repro{Strategy: stablewrite.Bounce, Mutator: mutator.ABA, Gate: true, Size: 12288, Writes: 10, Overlapped: 10, Torn: 1}
	res.Add(bad)
	if v := Of(res); len(v.Broken) != 1 {
		t.Errorf("%v", v.Broken)
	}
}
