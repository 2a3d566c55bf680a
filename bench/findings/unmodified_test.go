package findings

import (
	"strings"
	"testing"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// unmodified is a Record of a program on btrfs.
func unmodified(program string, guarded bool, spoil func(*record.Prove)) record.Prove {
	r := record.Prove{
		Repro: record.Repro{Writes: 256, Size: 4096}, Scenario: record.Unmodified, Kernel: "6.1", Victim: "btrfs", Needs: true,
		Program: program, Guarded: guarded, Watched: &record.Watched{},
	}
	if spoil != nil {
		spoil(&r)
	}
	return r
}

func unreadable(r *record.Prove) {
	r.ReadErrors, r.Torn, r.Failure = 9, 9, "read: Input/output error"
	r.Watched = &record.Watched{Comm: "modify-dio-in-f", Writes: 20, Changed: 2}
}

func TestProgramsAreJudged(t *testing.T) {
	raw := sound()
	raw.Kernel, raw.Victim, raw.Strategy, raw.Torn, raw.ReadErrors = "6.1", "btrfs", stablewrite.Raw, 9, 9
	for name, tc := range map[string]struct {
		recs                 []record.Prove
		broken, inconclusive string
	}{
		"the program of 2011 fails":  {recs: []record.Prove{unmodified("modify-dio-in-flight", false, unreadable), unmodified("modify-dio-in-flight", true, nil)}},
		"it fails under run":         {recs: []record.Prove{unmodified("modify-dio-in-flight", true, unreadable)}, broken: "9 of 256 blocks"},
		"legs differ under run":      {recs: []record.Prove{unmodified("dio-race", true, func(r *record.Prove) { r.Diverged = 1 })}, broken: "1 of 256 blocks"},
		"it cannot be guarded":       {recs: []record.Prove{unmodified("dio-race", true, func(r *record.Prove) { r.Failure = "no ptrace" })}, inconclusive: "no ptrace"},
		"direct under run":           {recs: []record.Prove{unmodified("qemu", true, func(r *record.Prove) { r.Watched.Writes = 7 })}, inconclusive: "7 writes were direct"},
		"fio fails":                  {recs: []record.Prove{unmodified("fio", false, func(r *record.Prove) { r.Failure = "verify failed" })}, inconclusive: "verify failed"},
		"watch sees too much":        {recs: []record.Prove{unmodified("fio", false, func(r *record.Prove) { r.Watched.Changed = 3 })}, inconclusive: "watch saw 3"},
		"fio does not":               {recs: []record.Prove{raw, unmodified("fio", false, nil)}},
		"nothing is known":           {recs: []record.Prove{unmodified("qemu", false, nil)}},
		"raw fails, and it does not": {recs: []record.Prove{raw, unmodified("qemu", false, nil)}, inconclusive: "not shown to need stable pages"},
	} {
		var v Verdict
		for _, r := range tc.recs {
			if r.Scenario == record.Unmodified {
				v.program(r)
			}
		}
		v.programs(kernels(tc.recs)[0][0])
		for _, got := range []struct {
			lines []string
			want  string
		}{{v.Broken, tc.broken}, {v.Inconclusive, tc.inconclusive}} {
			if text := strings.Join(got.lines, "\n"); got.want == "" != (text == "") || !strings.Contains(text, got.want) {
				t.Errorf("%s: %q, want %q", name, text, got.want)
			}
		}
	}
}

func TestProgramsAreShownPlainAndUnderRun(t *testing.T) {
	recs := []record.Prove{
		unmodified("modify-dio-in-flight", false, unreadable), unmodified("modify-dio-in-flight", true, nil),
		unmodified("fio", false, func(r *record.Prove) { r.Watched.Writes = 8 }), unmodified("fio", true, nil),
	}
	refused := unmodified("dio-race", false, func(r *record.Prove) { r.Victim, r.Failure = "t10-pi", "write: refused" })
	recs = append(recs, refused)
	s := kernelSections(recs)[0]
	text := strings.Join(s.Text, " ") + "\n" + rows(s.Tables[0])
	for _, want := range []string{
		"left blocks that cannot be read back", "modify-dio-in-flight on btrfs; dio-race on t10-pi. Under run", "Under run 0 of 256", "2 of 20 by modify-dio-in-f",
		"modify-dio-in-flight on btrfs|6.1|9/256|2/20|0/256",
		"fio on btrfs|6.1|0/256|0/8|0/256",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for victim, want := range map[string][2]string{"btrfs": {"open 9/256", "closed 0/256"}, "t10-pi": {"open failed", ""}} {
		for _, s := range kernels(recs)[0] {
			if got := [2]string{s.programCell(false).Text, s.programCell(true).Text}; s.victim() == victim && got != want {
				t.Errorf("%s: %q, want %q", victim, got, want)
			}
		}
	}
}
