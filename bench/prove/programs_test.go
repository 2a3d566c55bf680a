package prove

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

// ran is a Record of a program on btrfs.
func ran(program string, guarded bool, spoil func(*record.Prove)) record.Prove {
	r := record.Prove{
		Repro: record.Repro{Writes: 256, Size: 4096}, Scenario: string(Unmodified), Kernel: "6.1", Victim: "btrfs", Needs: true,
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
		"the program of 2011 fails":  {recs: []record.Prove{ran("modify-dio-in-flight", false, unreadable), ran("modify-dio-in-flight", true, nil)}},
		"it fails under run":         {recs: []record.Prove{ran("modify-dio-in-flight", true, unreadable)}, broken: "9 of 256 blocks"},
		"legs differ under run":      {recs: []record.Prove{ran("dio-race", true, func(r *record.Prove) { r.Diverged = 1 })}, broken: "1 of 256 blocks"},
		"it cannot be guarded":       {recs: []record.Prove{ran("dio-race", true, func(r *record.Prove) { r.Failure = "no ptrace" })}, inconclusive: "no ptrace"},
		"direct under run":           {recs: []record.Prove{ran("qemu", true, func(r *record.Prove) { r.Watched.Writes = 7 })}, inconclusive: "7 writes were direct"},
		"fio fails":                  {recs: []record.Prove{ran("fio", false, func(r *record.Prove) { r.Failure = "verify failed" })}, inconclusive: "verify failed"},
		"watch sees too much":        {recs: []record.Prove{ran("fio", false, func(r *record.Prove) { r.Watched.Changed = 3 })}, inconclusive: "watch saw 3"},
		"fio does not":               {recs: []record.Prove{raw, ran("fio", false, nil)}},
		"nothing is known":           {recs: []record.Prove{ran("qemu", false, nil)}},
		"raw fails, and it does not": {recs: []record.Prove{raw, ran("qemu", false, nil)}, inconclusive: "not shown to need stable pages"},
	} {
		var v Verdict
		for _, r := range tc.recs {
			if r.Scenario == string(Unmodified) {
				v.judge(r)
			}
		}
		v.shownByPrograms(stage{"6.1", "btrfs"}, tc.recs)
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
		ran("modify-dio-in-flight", false, unreadable), ran("modify-dio-in-flight", true, nil),
		ran("fio", false, func(r *record.Prove) { r.Watched.Writes = 8 }), ran("fio", true, nil),
	}
	refused := ran("dio-race", false, func(r *record.Prove) { r.Victim, r.Failure = "t10-pi", "write: refused" })
	recs = append(recs, refused)
	var b bytes.Buffer
	if err := WriteReport(&b, recs); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"wrote blocks that cannot be read back", "modify-dio-in-flight on btrfs (9/256)", "dio-race on t10-pi (failed)", "Under run 0 of 256", "2 of 20 by modify-dio-in-f",
		"modify-dio-in-flight btrfs 6.1 9/256 2/20 0/256",
		"fio btrfs 6.1 0/256 0/8 0/256",
	} {
		if text := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(text, strings.Join(strings.Fields(want), " ")) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	for victim, want := range map[string]string{"btrfs": "program: open 9/256, under run: closed 0/256", "t10-pi": "program: open failed", "xfs": ""} {
		var got []string
		for _, w := range programWriters([]string{"6.1"}, victim, recs) {
			got = append(got, w.Writer+": "+w.Cells[0])
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: %q, want %q", victim, text, want)
		}
	}
}

// Programs are made as they are when a proof needs them.
func TestProgramsCompile(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		testenv.Missing(t, "the command gcc")
	}
	for _, p := range Programs() {
		if p.source == "" {
			continue
		}
		f, err := p.compile(context.Background(), t.TempDir())
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		st, err := f.Stat()
		if err != nil || st.Size() == 0 || p.command != "" && st.Size() != 64<<10 { // firmware ends where the processor begins
			t.Errorf("%s: %d bytes, %v", p.Name, st.Size(), err)
		}
		f.Close()
	}
	if _, err := ProgramNamed("dd"); err == nil || !strings.Contains(err.Error(), "modify-dio-in-flight") {
		t.Errorf("an unknown program: %v", err)
	}
}
