package findings

import (
	"slices"
	"strings"
	"testing"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

func one() *int { n := 1; return &n }

// sound returns a race that kept its promise, for a test to spoil.
func sound() record.Prove {
	zero := 0
	return record.Prove{
		Repro: record.Repro{
			Strategy: stablewrite.Bounce, Mutator: mutator.Storm, Gate: true, Writes: 60, Overlapped: 60,
			Written: stablewrite.DirectYes, System: &record.System{CPU: "QEMU"},
		},
		Scenario: record.Race, Kernel: "6.1", Victim: "btrfs", Needs: true, Accel: "tcg", Mismatches: &zero,
	}
}

func TestProofsAreJudged(t *testing.T) {
	for _, tc := range []struct {
		name         string
		spoil        func(*record.Prove)
		broken       string
		inconclusive string
	}{
		{name: "sound", spoil: func(*record.Prove) {}},
		{name: "torn", spoil: func(r *record.Prove) { r.Torn = 1 }, broken: "1 of 60 writes torn"},
		{name: "the victim counts", spoil: func(r *record.Prove) { r.Mismatches = one() }, broken: "the victim counts 1"},
		{name: "refused by the device", spoil: func(r *record.Prove) { r.WriteErrors = 2 }, inconclusive: "2 of 60 writes failed"},
		{name: "nothing in flight", spoil: func(r *record.Prove) { r.Overlapped = 0 }, inconclusive: "no change overlapped"},
		{name: "verify, restored", spoil: func(r *record.Prove) {
			r.Strategy, r.Mutator, r.Torn, r.ReadErrors = stablewrite.Verify, mutator.ABA, 9, 9
		}},
		{name: "verify by crc32c, pages with their own", spoil: func(r *record.Prove) {
			r.Strategy, r.Detect, r.Mutator, r.Torn = stablewrite.Verify, stablewrite.BySum, mutator.CRCPage, 9
		}},
		{name: "verify, pages with their own", spoil: func(r *record.Prove) {
			r.Strategy, r.Mutator, r.Torn = stablewrite.Verify, mutator.CRCPage, 9
		}, broken: "9 of 60"},
		{name: "raw fails", spoil: func(r *record.Prove) { r.Strategy, r.Torn, r.ReadErrors = stablewrite.Raw, 9, 9 }},
		{name: "raw does not fail", spoil: func(r *record.Prove) { r.Strategy, r.Torn = stablewrite.Raw, 9 }, inconclusive: "60 raw writes and no failure"},
		{name: "raw does not fail, and the kernel buffers", spoil: func(r *record.Prove) {
			r.Strategy, r.Written, r.WrittenBy = stablewrite.Raw, stablewrite.DirectNo, record.ByGate
		}},
		{name: "raw does not fail, and the kernel bounces", spoil: func(r *record.Prove) {
			r.Strategy, r.Written, r.WrittenBy = stablewrite.Raw, stablewrite.DirectBounced, record.ByGate
		}},
		{name: "raw does not fail, and the kernel is said to bounce", spoil: func(r *record.Prove) {
			r.Strategy, r.Written = stablewrite.Raw, stablewrite.DirectBounced
		}, inconclusive: "assumed to be bounced, and no race showed it"},
		{name: "nothing reaches a control", spoil: func(r *record.Prove) { r.Strategy, r.Needs = stablewrite.Raw, false }, inconclusive: "not shown to be a control"},
		{name: "raw is torn on a control", spoil: func(r *record.Prove) { r.Strategy, r.Needs, r.Torn = stablewrite.Raw, false, 60 }},
		{name: "a control fails", spoil: func(r *record.Prove) {
			r.Strategy, r.Needs, r.Torn, r.ReadErrors = stablewrite.Raw, false, 1, 1
		}, inconclusive: "a control failed"},
		{name: "a crash under bounce", spoil: func(r *record.Prove) { r.Scenario, r.Torn = record.Crash, 1 }, broken: "1 of 60 crashes"},
		{name: "a crash under verify", spoil: func(r *record.Prove) {
			r.Scenario, r.Strategy, r.Torn, r.ReadErrors = record.Crash, stablewrite.Verify, 1, 1
		}},
		{name: "a commit under bounce", spoil: func(r *record.Prove) { r.Scenario, r.Torn = record.Replay, 1 }, broken: "1 of 60 crashes"},
		{name: "a fault told of", spoil: func(r *record.Prove) { r.Scenario, r.WriteErrors = record.Faults, 5 }},
		{name: "a fault not told of", spoil: func(r *record.Prove) { r.Scenario, r.WriteErrors, r.Torn = record.Faults, 5, 1 }, broken: "1 places"},
		{name: "no fault", spoil: func(r *record.Prove) { r.Scenario, r.Mutator = record.Faults, mutator.None }, inconclusive: "no fault was injected"},
		{name: "the mutator's resubmissions are no faults", spoil: func(r *record.Prove) {
			r.Scenario, r.Mutator, r.Resubmitted = record.Faults, mutator.None, 9
		}, inconclusive: "no fault was injected"},
		{name: "it buffers, and fails", spoil: func(r *record.Prove) {
			r.Strategy, r.Written, r.Torn, r.ReadErrors = stablewrite.Raw, stablewrite.DirectNo, 9, 9
		}, inconclusive: "the gate is too slow"},
		{name: "a crash window that was not shown", spoil: func(r *record.Prove) {
			r.Scenario, r.Strategy = record.Crash, stablewrite.Verify
		}, inconclusive: "60 crashes without the fix"},
		{name: "a free mutator that met no write", spoil: func(r *record.Prove) { r.Gate, r.Overlapped = false, 0 }, inconclusive: "no change overlapped"},
	} {
		r := sound()
		tc.spoil(&r)
		v := judgeProofs([]record.Prove{r})
		for _, got := range []struct {
			lines []string
			want  string
		}{{v.Broken, tc.broken}, {v.Inconclusive, tc.inconclusive}} {
			if text := strings.Join(got.lines, "\n"); got.want == "" != (text == "") || !strings.Contains(text, got.want) {
				t.Errorf("%s: %q, want %q", tc.name, text, got.want)
			}
		}
	}
}

func TestACellCountsWhatTheLayerSaysApartFromTheRest(t *testing.T) {
	for _, tc := range []struct {
		want  string
		spoil func(*record.Prove)
	}{
		{"0/60", func(*record.Prove) {}},
		{"!3t/60", func(r *record.Prove) { r.Torn = 3 }},
		{"*2e1t/60", func(r *record.Prove) { r.Strategy, r.Torn, r.ReadErrors = stablewrite.Raw, 3, 2 }},
		{"*7e/60", func(r *record.Prove) { r.Strategy, r.WriteErrors = stablewrite.Raw, 7 }},
		{"*4e/60", func(r *record.Prove) { r.Strategy, r.Torn, r.Diverged = stablewrite.Raw, 4, 4 }},
		{"0/60r", func(r *record.Prove) { r.Strategy, r.WriteErrors, r.Refused = stablewrite.Detect, 60, 60 }},
		{"0/60", func(r *record.Prove) { // it has no receipt
			r.Strategy, r.Gate, r.Torn = stablewrite.Raw, false, 60
		}},
		{"*1e/60", func(r *record.Prove) {
			r.Scenario, r.Strategy, r.Torn, r.ReadErrors = record.Crash, stablewrite.Verify, 1, 1
		}},
		{"!1e/60", func(r *record.Prove) { r.Scenario, r.Torn, r.ReadErrors = record.Crash, 1, 1 }},
		{"*2e/60", func(r *record.Prove) { r.WriteErrors = 2 }}, // an error that was told breaks no promise
	} {
		r := sound()
		tc.spoil(&r)
		var o outcome
		o.addProof(r)
		if got := o.cell("t").Text; got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
	if empty := (outcome{}).cell("t"); empty != (Cell{}) {
		t.Errorf("nothing is %+v", empty)
	}
}

// Scenarios other than races have sentences, and no rows.
func TestAKernelWithoutRaces(t *testing.T) {
	r := record.Prove{Scenario: record.SameBase, Kernel: "6.1", Victim: "t10-pi", Accel: "tcg", Repro: record.Repro{Writes: 100, ReadErrors: 7}}
	all := kernelSections([]record.Prove{r})
	if len(all) != 2 || all[1].Title != "Linux 6.1 in QEMU (tcg)" || len(all[1].Tables)+len(all[0].Tables)+len(all[0].Notes) > 0 ||
		!slices.Equal(all[1].Notes, []string{"t10-pi: 7 of 100 reads of two blocks into one place fail, with nothing wrong on the media"}) {
		t.Errorf("%+v", all)
	}
}
