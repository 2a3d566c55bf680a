package prove

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/bench/victim"
	"stablepages/stablewrite"
)

var update = flag.Bool("update", false, "write what the Records of testdata say into RESULTS.md")

func TestRESULTSShowTheCommittedProof(t *testing.T) {
	for _, section := range []struct {
		name, records string
		write         func(io.Writer, []record.Prove) error
	}{
		{"prove", "testdata/results.jsonl", WriteReport},
		{"programs", "testdata/programs.jsonl", writeProgramReport},
	} {
		recs := committed(t, section.records)
		if v := Judge(recs); len(v.Broken)+len(v.Inconclusive) > 0 {
			t.Errorf("the committed proof is none: %q", v)
		}
		var b bytes.Buffer
		if err := section.write(&b, recs); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if len(line) > 101 {
				t.Errorf("a line of %d columns: %s", len(line)-1, line)
			}
		}
		testenv.Section(t, "RESULTS.md", section.name, testenv.Indented(b.String()), *update)
	}
}

// writeProgramReport writes what is new where only programs, and plain races beside
// them, were tried.
func writeProgramReport(out io.Writer, recs []record.Prove) error {
	m := MatrixOf(recs)
	if err := m.write(out); err != nil {
		return err
	}
	for _, text := range programFindings(recs) {
		fmt.Fprintf(out, "\n%s\n", Wrap(text))
	}
	return writePrograms(out, recs)
}

func committed(t *testing.T, name string) (recs []record.Prove) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for dec := json.NewDecoder(f); ; {
		var r record.Prove
		if err := dec.Decode(&r); err == io.EOF {
			return recs
		} else if err != nil || r.Kind != record.KindProve {
			t.Fatalf("%v: %+v", err, r)
		}
		r.Upgrade()
		recs = append(recs, r)
	}
}

func one() *int { n := 1; return &n }

// a race that showed what it was to show, to be spoiled.
func sound() record.Prove {
	zero := 0
	return record.Prove{
		Repro: record.Repro{
			Strategy: stablewrite.Bounce, Mutator: mutator.Storm, Gate: true, Writes: 60, Overlapped: 60,
			Written: stablewrite.DirectYes, System: &record.System{CPU: "QEMU"},
		},
		Scenario: string(Race), Kernel: "6.1", Victim: "btrfs", Needs: true, Accel: "tcg", Mismatches: &zero,
	}
}

func TestJudge(t *testing.T) {
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
		{name: "a crash under bounce", spoil: func(r *record.Prove) { r.Scenario, r.Torn = string(Crash), 1 }, broken: "1 of 60 crashes"},
		{name: "a crash under verify", spoil: func(r *record.Prove) {
			r.Scenario, r.Strategy, r.Torn, r.ReadErrors = string(Crash), stablewrite.Verify, 1, 1
		}},
		{name: "a commit under bounce", spoil: func(r *record.Prove) { r.Scenario, r.Torn = string(Replay), 1 }, broken: "1 of 60 crashes"},
		{name: "a fault told of", spoil: func(r *record.Prove) { r.Scenario, r.WriteErrors = string(Faults), 5 }},
		{name: "a fault not told of", spoil: func(r *record.Prove) { r.Scenario, r.WriteErrors, r.Torn = string(Faults), 5, 1 }, broken: "1 places"},
		{name: "no fault", spoil: func(r *record.Prove) { r.Scenario, r.Mutator = string(Faults), mutator.None }, inconclusive: "none was made to fail"},
		{name: "the mutator's resubmissions are no faults", spoil: func(r *record.Prove) {
			r.Scenario, r.Mutator, r.Resubmitted = string(Faults), mutator.None, 9
		}, inconclusive: "none was made to fail"},
		{name: "it buffers, and fails", spoil: func(r *record.Prove) {
			r.Strategy, r.Written, r.Torn, r.ReadErrors = stablewrite.Raw, stablewrite.DirectNo, 9, 9
		}, inconclusive: "the gate is too slow"},
		{name: "a crash window that was not shown", spoil: func(r *record.Prove) {
			r.Scenario, r.Strategy = string(Crash), stablewrite.Verify
		}, inconclusive: "60 crashes without the fix"},
		{name: "a free mutator that met no write", spoil: func(r *record.Prove) { r.Gate, r.Overlapped = false, 0 }, inconclusive: "no change overlapped"},
	} {
		r := sound()
		tc.spoil(&r)
		v := Judge([]record.Prove{r})
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
			r.Scenario, r.Strategy, r.Torn, r.ReadErrors = string(Crash), stablewrite.Verify, 1, 1
		}},
		{"!1e/60", func(r *record.Prove) { r.Scenario, r.Torn, r.ReadErrors = string(Crash), 1, 1 }},
		{"*2e/60", func(r *record.Prove) { r.WriteErrors = 2 }}, // an error that was told breaks no promise
	} {
		r := sound()
		tc.spoil(&r)
		var c Cell
		c.add(r)
		if c.String() != tc.want {
			t.Errorf("%v, want %s", c, tc.want)
		}
	}
	if empty := (Cell{}).String(); empty != "" {
		t.Errorf("nothing is %q", empty)
	}
}

func TestThePlanOfAVictim(t *testing.T) {
	layer := victim.Victim{Name: "layer", NeedsStablePages: true}
	control := victim.Victim{Name: "control", NoCrash: true, Injects: true}
	p := Plan{
		Strategies: []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify}, Scenarios: Scenarios(), Until: time.Minute,
	}
	races := p.races(layer, false)
	for i, gate := range []bool{true, false} {
		if r := races[i]; r.Strategy != stablewrite.Raw || r.Mutator != mutator.Storm || r.Gate != gate {
			t.Errorf("race %d measures nothing: %+v", i, r)
		}
	}
	for i, r := range races {
		if slices.Contains(races[:i], r) {
			t.Errorf("%+v is there twice", r)
		}
		if goesOn := i >= measuring && !r.Gate && r.Mutator != mutator.Once && !r.promised(); goesOn != (r.Until > 0) {
			t.Errorf("%+v: goes on %v", r, goesOn)
		}
	}
	// Five mutators, free and gated, for each of two; and crc32c for one.
	if want := 2*5*2 + 2; len(races) != want {
		t.Errorf("%d races, want %d", len(races), want)
	}
	// On a kernel that tracks, aba for that one, gated: it sees what is restored.
	if more := p.races(layer, true); len(more) != len(races)+1 || !slices.ContainsFunc(more, func(r race) bool {
		return r.Detect == stablewrite.ByTracking && r.Strategy == stablewrite.Verify && r.Mutator == mutator.ABA && r.Gate && r.promised()
	}) {
		t.Errorf("with tracking: %+v", more)
	}
	for version, want := range map[string]bool{"6.1.0-56-cloud-amd64": false, "6.6.9": false, "6.7.0": true, "6.12.117+deb12": true, "7.3.4": true, "5.19": false, "x": false} {
		if tracks(version) != want {
			t.Errorf("Linux %s tracks: %v", version, !want)
		}
	}
	for _, r := range races {
		if telling := r.Mutator == mutator.Storm || r.Mutator == mutator.ABA; r.Spare == telling {
			t.Errorf("%+v: left out where the kernel copies: %v", r, r.Spare)
		}
	}
	alike := layer
	alike.Alike = true
	for _, v := range []victim.Victim{control, alike} {
		if n := len(p.races(v, false)); n != 2*2*2 {
			t.Errorf("%d races on a victim that needs few", n)
		}
	}
	p.Mutators, p.Quick = []mutator.Kind{mutator.None}, true
	if races := p.races(control, false); len(races) != 4 || races[0].Writes != raceWrites/3 {
		t.Errorf("races with nothing changing: %+v", races)
	}
	stack := victim.Victim{Name: "stack", NeedsStablePages: true, Stacked: true, NoCrash: true}
	p.Mutators, p.Quick = nil, false
	if races := p.races(stack, false); len(races) != 2*2*2 || races[0].Writes != raceWrites/3 {
		t.Errorf("races on a stack: %+v", races)
	}
	// Those between commas share a machine.
	for _, tc := range []struct {
		of                  victim.Victim
		scenarios, programs string
	}{
		{layer, "race, read, program|crash", "dio-race"},
		{stack, "race, program", "dio-race"},
		{control, "race, read, faults", ""},
		{victim.Victim{Name: "fs", NeedsStablePages: true, Mkfs: []string{"mkfs"}, NoCrash: true}, "race, read, program", "modify-dio-in-flight dio-race fio qemu"},
	} {
		var machines, programs []string
		for _, j := range p.jobs(kernel.Kernel{Version: "9.9"}, tc.of) {
			machines, programs = append(machines, listed(j.Scenarios)), append(programs, j.Programs...)
		}
		if got := strings.Join(machines, "|"); got != tc.scenarios {
			t.Errorf("%s: scenarios %s, want %s", tc.of.Name, got, tc.scenarios)
		}
		if got := strings.Join(programs, " "); got != tc.programs {
			t.Errorf("%s: programs %s, want %s", tc.of.Name, got, tc.programs)
		}
	}
}

func TestAReportWithoutAMatrix(t *testing.T) {
	var b bytes.Buffer
	r := record.Prove{Scenario: string(SameBase), Kernel: "6.1", Victim: "t10-pi", Accel: "tcg", Repro: record.Repro{Writes: 100, ReadErrors: 7}}
	want := "\nLinux 6.1 in QEMU (tcg)\n\n\nt10-pi: 7 of 100 reads of two blocks into one place fail, with nothing wrong on the media\n"
	if err := WriteReport(&b, []record.Prove{r}); err != nil || b.String() != want {
		t.Errorf("%v, %q", err, b.String())
	}
}
