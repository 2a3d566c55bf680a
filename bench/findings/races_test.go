package findings

import (
	"strings"
	"testing"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// honest returns the Records of an evaluation in which all promises are kept and every
// hole shows.
func honest() (races []record.Repro) {
	for _, w := range []record.Repro{
		{Strategy: stablewrite.Raw}, {Strategy: stablewrite.Verify}, {Strategy: stablewrite.Verify, Detect: stablewrite.BySum},
		{Strategy: stablewrite.Detect}, {Strategy: stablewrite.Bounce}, {Strategy: stablewrite.Buffered},
		{Strategy: stablewrite.Raw, Buffered: true},
	} {
		for _, k := range mutator.Kinds() {
			r := w
			r.Mutator, r.Gate, r.Writes = k, true, 20
			if k != mutator.None {
				r.Overlapped = 20
			}
			if !repro.Promised(r) {
				r.Torn = 7
			}
			if w.Strategy.Promise().Refuses && k != mutator.None && !k.Restores() {
				r.Refused, r.WriteErrors = 20, 20
			}
			races = append(races, r)
		}
	}
	return races
}

func find(t *testing.T, races []record.Repro, s stablewrite.Strategy, k mutator.Kind) *record.Repro {
	t.Helper()
	for i := range races {
		if races[i].Strategy == s && races[i].Mutator == k && !races[i].Buffered && races[i].Detect == stablewrite.ByDigest {
			return &races[i]
		}
	}
	t.Fatalf("no race of %v against %v", s, k)
	return nil
}

func TestJudgeHonest(t *testing.T) {
	v := judge(honest())
	if len(v.Broken) != 0 || len(v.Inconclusive) != 0 {
		t.Errorf("broken %v, inconclusive %v", v.Broken, v.Inconclusive)
	}
	got := ""
	for _, r := range strategiesSection(System{Races: honest(), races: v}).Tables[0].Rows {
		got += r.Name
		for _, c := range r.Cells {
			got += "|" + c.Text + " " + string(c.Mark)
		}
		got += "\n"
	}
	const want = `raw|42 of 120 torn hole|7 of 20 torn hole|as any write 
verify|0 of 120, below 2.5% kept|7 of 20 torn hole|torn blocks hole
detect|all 120 refused kept|7 of 20 torn hole|torn blocks hole
bounce|0 of 120, below 2.5% kept|0 of 20, too few |as any write 
buffered|0 of 120, below 2.5% kept|0 of 20, too few |as any write 
page cache|0 of 120, below 2.5% kept|0 of 20, too few |as any write 
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestJudgeFindsABrokenPromise(t *testing.T) {
	for _, tc := range []struct {
		s     stablewrite.Strategy
		k     mutator.Kind
		spoil func(*record.Repro)
	}{
		{stablewrite.Verify, mutator.Storm, func(r *record.Repro) { r.Torn = 1 }},
		{stablewrite.Verify, mutator.CRCPage, func(r *record.Repro) { r.Torn = 1 }},
		{stablewrite.Bounce, mutator.ABA, func(r *record.Repro) { r.Torn = 1 }},
		{stablewrite.Raw, mutator.None, func(r *record.Repro) { r.Torn = 1 }},
	} {
		races := honest()
		tc.spoil(find(t, races, tc.s, tc.k))
		if v := judge(races); len(v.Broken) != 1 || !strings.Contains(v.Broken[0], tc.s.String()+" against "+tc.k.String()) {
			t.Errorf("%v against %v: broken %v", tc.s, tc.k, v.Broken)
		}
	}
	races := honest()
	races[len(races)-1].Torn = 1
	if v := judge(races); len(v.Broken) != 1 {
		t.Errorf("a torn negative control: broken %v", v.Broken)
	}
}

func TestJudgeSaysWhatWasNotShown(t *testing.T) {
	races := honest()
	find(t, races, stablewrite.Verify, mutator.Storm).Overlapped = 0
	if v := judge(races); len(v.Inconclusive) != 1 {
		t.Errorf("no change in flight: inconclusive %v", v.Inconclusive)
	}
	races = honest()
	find(t, races, stablewrite.Bounce, mutator.Flip).WriteErrors = 1 // the device's doing, until shown otherwise
	if v := judge(races); len(v.Inconclusive) != 1 || len(v.Broken) != 0 {
		t.Errorf("a failed write: inconclusive %v, broken %v", v.Inconclusive, v.Broken)
	}
	races = honest()
	for i := range races {
		if races[i].Strategy == stablewrite.Raw {
			races[i].Torn = 0
		}
	}
	if v := judge(races); len(v.Inconclusive) != 1 || !strings.Contains(v.Inconclusive[0], "the race does not happen here") {
		t.Errorf("raw never torn: inconclusive %v", v.Inconclusive)
	}
}

// On a device that refuses every changed write the race shows nothing, either.
func TestRawThatIsOnlyRefusedShowsNothing(t *testing.T) {
	raw := record.Repro{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Size: 4096, Writes: 9, Overlapped: 9, WriteErrors: 9}
	if v := judge([]record.Repro{raw}); len(v.Inconclusive) != 1 || !strings.Contains(v.Inconclusive[0], "the race does not happen here") {
		t.Errorf("%q", v.Inconclusive)
	}
	raw.WriteErrors, raw.Torn, raw.Detect = 0, 9, stablewrite.BySum // raw does not look for changes, by whatever
	if v := judge([]record.Repro{raw}); v.standings["raw"].stays.k != 9 {
		t.Errorf("%+v", v.standings)
	}
}

// Writes that fell back to the digest do not count as tracked.
func TestTrackingThatWasNotPossibleIsSaid(t *testing.T) {
	tracked := record.Repro{Strategy: stablewrite.Verify, Detect: stablewrite.ByTracking, Mutator: mutator.ABA, Gate: true, Size: 4096, Writes: 60, Overlapped: 60, Tracked: 60}
	fell := tracked
	fell.Tracked, fell.Torn = 0, 40
	for want, race := range map[string]record.Repro{
		"tracking|not tried|0 of 60, below 5%|torn blocks; verify by tracking|0/60; aba: one random block changed, restored after --hold": tracked,
		"verify|not tried|40 of 60 torn|torn blocks; verify, untracked|*40/60; aba: one random block changed, restored after --hold; " +
			"verify, untracked: tracking was asked for, but 60 of 60 writes fell back to the digest, as verify uses it, because the kernel did not track their memory; it cannot track memory shared with another process.": fell,
	} {
		on := System{Races: []record.Repro{race}, races: judge([]record.Repro{race})}
		if len(on.races.Broken) > 0 {
			t.Errorf("broken: %q", on.races.Broken)
		}
		matrix := matrixSection(on, true)
		parts := append(strings.Split(strings.TrimSpace(rows(strategiesSection(on).Tables[0])), "\n")[1:], strings.Split(strings.TrimSpace(rows(matrix.Tables[0])), "\n")[1:]...)
		if got := strings.Join(append(parts, matrix.Notes...), "; "); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestMatrix(t *testing.T) {
	races := honest()
	find(t, races, stablewrite.Bounce, mutator.Hint).Torn = 2
	got := rows(matrixSection(System{Races: races, races: judge(races)}, true).Tables[0])
	want := `|none|stock|storm|flip|aba|crcpage|once|hint
raw|0/20|*7/20|*7/20|*7/20|*7/20|*7/20|*7/20|*7/20
verify|0/20|0/20|0/20|0/20|*7/20|0/20|0/20|0/20
verify by crc32c|0/20|0/20|0/20|0/20|*7/20|*7/20|0/20|0/20
detect|0/20|0/20r|0/20r|0/20r|*7/20|0/20r|0/20r|0/20r
bounce|0/20|0/20|0/20|0/20|0/20|0/20|0/20|!2/20
buffered|0/20|0/20|0/20|0/20|0/20|0/20|0/20|0/20
raw, page cache|0/20|0/20|0/20|0/20|0/20|0/20|0/20|0/20
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// rows returns the texts of t, a line for each row.
func rows(t Table) string {
	var b strings.Builder
	b.WriteString(strings.Join(t.Head, "|") + "\n")
	for _, r := range t.Rows {
		b.WriteString(r.Name)
		for _, c := range r.Cells {
			b.WriteString("|" + c.Text)
		}
		b.WriteString("\n")
	}
	return b.String()
}
