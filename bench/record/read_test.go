package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"stablepages/bench/mutator"
	"stablepages/stablewrite"
)

// A race and a timing, on one line each.
const (
	raceLine = `{"kind":"repro","strategy":"bounce","mutator":"storm","gate":true,"detect":"digest","in":"process","size":4096,"writes":9,"overlapped":9,"torn":0,"read_errors":0,"write_errors":0,"refused":0,"system":{"cpus":2},"version":1}`
	costLine = `{"kind":"cost","strategy":"raw","target":"file","size":4096,"depth":1,"mutated":0,"round":1,"bytes":4096,"seconds":1,"version":1}`
)

func TestReadSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, tc := range []struct {
		name, text, want string
	}{
		{"empty", "", "f: no Records"},
		{"blank lines", "\n \n\n", "f: no Records"},
		{"text", "hello\n", "f:1: no Record: invalid character 'h'"},
		{"text without an end", "hello", "f:1: no Record"},
		{"a list", "[1]\n", "f:1: no Record: want an object, not array"},
		{"null", "null\n", "f:1: the object has no kind"},
		{"two on a line", raceLine + raceLine + "\n", "f:1: no Record: invalid character '{' after"},
		{"zeros, as a crash leaves them", raceLine + "\n\x00\x00\x00\x00\n", "f:2: no Record: invalid character"},
		{"no kind", raceLine + "\n{\"version\":1}\n", "f:2: the object has no kind"},
		{"a kind of the wrong type", `{"kind":7,"version":1}`, "f:1: the object has no kind"},
		{"no version", `{"kind":"repro"}`, "f:1: the version of the Record is missing"},
		{"another version", strings.Replace(raceLine, `"version":1`, `"version":3`, 1), "f:1: the Record is of version 3, and this program reads versions 1 to 2"},
		{"another version of a kind that is not known", `{"kind":"novel","version":3}`, "f:1: the Record is of version 3"},
		{"one cut short in the middle", raceLine + "\n" + raceLine[:50] + "\n" + raceLine + "\n", "f:2: a Record that is cut short"},
		{"only one, and cut short", raceLine[:50], "f:1: a Record that is cut short"},
		{"a field of the wrong type", strings.Replace(raceLine, `"writes":9`, `"writes":"9"`, 1), "f:1: writes: want int, not string"},
		{"a fraction of a write", strings.Replace(raceLine, `"writes":9`, `"writes":9.5`, 1), "f:1: writes: want int, not number 9.5"},
		{"a strategy that is not known", strings.Replace(raceLine, "bounce", "hope", 1), `unknown strategy "hope"`},
		{"no strategy", strings.Replace(raceLine, `"strategy":"bounce",`, "", 1), "f:1: a Record of kind repro must have the field strategy"},
		{"a null strategy", strings.Replace(raceLine, `"bounce"`, "null", 1), "f:1: a Record of kind repro must have the field strategy"},
		{"no count of torn writes", strings.Replace(raceLine, `"torn":0,`, "", 1), "f:1: a Record of kind repro must have the field torn"},
		{"a negative count", strings.Replace(raceLine, `"torn":0`, `"torn":-1`, 1), "f:1: torn is -1, which makes no sense"},
		{"more torn than written", strings.Replace(raceLine, `"torn":0`, `"torn":10`, 1), "f:1: torn is 10, of 9 writes, which makes no sense"},
		{"a huge count", strings.Replace(raceLine, `"writes":9`, `"writes":9000000000000000000`, 1), "f:1: writes is 9000000000000000000, which makes no sense"},
		{"a count beyond all", strings.Replace(raceLine, `"writes":9`, `"writes":1e400`, 1), "f:1: writes: want int, not number 1e400"},
		{"no time", strings.Replace(costLine, `"seconds":1`, `"seconds":0`, 1), "f:1: seconds is 0, which makes no sense"},
		{"time beyond all", strings.Replace(costLine, `"seconds":1`, `"seconds":1e308`, 1), "f:1: seconds is 1e+308, which makes no sense"},
		{"nothing written", strings.Replace(costLine, `"bytes":4096`, `"bytes":0`, 1), "f:1: bytes is 0, which makes no sense"},
		{"more than all are changed", strings.Replace(costLine, `"mutated":0`, `"mutated":50`, 1), "f:1: mutated is 50, which makes no sense"},
		{"bytes that are not those of the writes", strings.Replace(costLine, `"seconds":1`, `"seconds":1,"writes":2`, 1), "f:1: bytes is 4096, which makes no sense"},
		{"less written than asked for", strings.Replace(costLine, `"seconds":1`, `"seconds":1,"amplification":0.1`, 1), "f:1: amplification is 0.1, which makes no sense"},
		{"a target of no kind", strings.Replace(costLine, `"file"`, `"moon"`, 1), "f:1: target is moon, which makes no sense"},
		{"a delay of nothing", strings.Replace(costLine, `"file"`, `"delay"`, 1), "f:1: delay_latency_ns is 0, which makes no sense"},
		{"two steps with nothing and with something between", strings.Replace(costLine, `"mutated":0`, `"mutated":1,"two_steps":true`, 1), "f:1: two_steps is true, which makes no sense"},
		{"quantiles in no order", strings.Replace(costLine, `"seconds":1`, `"seconds":1,"p50_ns":9,"p99_ns":8,"p999_ns":10`, 1), "f:1: p99_ns is 8, which makes no sense"},
		{"more hits than shots", `{"kind":"precision","strategy":"verify","detect":"digest","mutator":"aba","size":4096,"blocks":9,"torn":2,"resubmitted":5,"both":3,"version":1}`, "both is 3, of 2 torn"},
		{"a proof without a victim", strings.Replace(raceLine, `"repro"`, `"prove","scenario":"race","kernel":"6.1","needs_stable_pages":true`, 1), "kind prove must have the field victim"},
		{"a probe that reached too much", `{"kind":"probe","path":"/","writes":3,"reached":4,"version":1}`, "reached is 4, of 3 writes"},
		{"something after what is not known", raceLine + "\n{\"kind\":\"novel\",\"version\":1} junk", "f:2: no Record: invalid character 'j' after"},
		{"only what is not known", `{"kind":"novel","version":1}`, "f: no Records"},
		{"a line without end", strings.Repeat("x", maxLine+1), "f:1: a line of more than 1024 KiB is no Record"},
	} {
		var res Results
		_, err := res.Read("f", strings.NewReader(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestReadWarnsOfWhatItLeavesOut(t *testing.T) {
	for _, tc := range []struct {
		name, text, want string
		races            int
	}{
		{"all is well", raceLine + "\n" + costLine + "\n", "", 1},
		{"no last newline", raceLine, "", 1},
		{"blank and DOS lines", "\r\n" + raceLine + "\r\n\r\n", "", 1},
		{"a last line cut short", raceLine + "\n" + raceLine[:70], "f:2: the last line is cut short", 1},
		{"a last line cut after a number", raceLine + "\n" + strings.TrimSuffix(raceLine, "}"), "f:2: the last line is cut short", 1},
		{"what is not known, cut short", raceLine + "\n{\"kind\":\"novel\",\"version\":1", "f:2: the last line is cut short", 1},
		{"kinds that are not known", raceLine + "\n{\"kind\":\"novel\x1b\",\"version\":1}\n{\"kind\":\"novel\x1b\",\"version\":1}\n", "", 1},
	} {
		var res Results
		warnings, err := res.Read("f", strings.NewReader(strings.ReplaceAll(tc.text, "\x1b", `\u001b`)))
		if strings.HasPrefix(tc.name, "kinds") {
			tc.want = "f:2: Records of kind \"novel\ufffd\" are not known"
		}
		if err != nil || (tc.want == "") != (len(warnings) == 0) || len(warnings) > 1 || !strings.Contains(strings.Join(warnings, ""), tc.want) {
			t.Errorf("%s: %v, warnings %q, want %q", tc.name, err, warnings, tc.want)
		}
		if len(res.Races) != tc.races {
			t.Errorf("%s: %d races", tc.name, len(res.Races))
		}
	}
}

func TestReadHoldsWhatCameBeforeAnError(t *testing.T) {
	var res Results
	boom := errors.New("boom")
	_, err := res.Read("f", io.MultiReader(strings.NewReader(raceLine+"\n"), failing{boom}))
	if !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "f:2: ") || len(res.Races) != 1 {
		t.Errorf("%v, %d races", err, len(res.Races))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// endless is a file without end. It counts the bytes that were read.
type endless struct {
	text string
	read int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], e.text[(e.read+n)%len(e.text):])
	}
	e.read += n
	return n, nil
}

func TestReadOfAFileWithoutEndEnds(t *testing.T) {
	const most = 5000 // Records; more take more time, and nothing else
	distinct := ""
	for i := range most + 1 {
		distinct += strings.Replace(costLine, `"bytes":4096`, fmt.Sprintf(`"bytes":%d`, 4096*(i+1)), 1) + "\n"
	}
	for _, tc := range []struct {
		text, want string
		most       int
	}{
		{"x", "f:1: a line of more than", 2 * maxLine},
		{distinct, fmt.Sprintf("f:%d: more than %d Records", most+1, most), len(distinct) + 2*maxLine},
		{costLine + "\n", fmt.Sprintf("f:%d: more than %d lines", 4*most+1, 4*most), 4*most*(len(costLine)+1) + 2*maxLine},
		{"\n", fmt.Sprintf("f:%d: more than %d lines", 4*most+1, 4*most), 2 * maxLine},
	} {
		file := &endless{text: tc.text}
		var res Results
		if _, err := res.read("f", file, most); err == nil || !strings.HasPrefix(err.Error(), tc.want) || file.read > tc.most {
			t.Errorf("%v after %d bytes", err, file.read)
		}
	}
}

// Races are added up as they are read: a gigabyte of them takes no more memory than one.
func TestEqualRacesAreAddedUp(t *testing.T) {
	const n = 1000
	var res Results
	text := ""
	for i := range n {
		text += strings.Replace(raceLine, `"gate"`, fmt.Sprintf(`"seed":%d,"gate"`, i), 1) + "\n"
	}
	warnings, err := res.Read("f", strings.NewReader(text))
	if err != nil || len(warnings) > 0 || len(res.Races) != 1 || res.Races[0].Writes != 9*n || res.Races[0].Overlapped != 9*n {
		t.Errorf("%v, %q: %+v", err, warnings, res.Races)
	}
	other := strings.Replace(raceLine, `"cpus":2`, `"cpus":3`, 1)
	if _, err := res.Read("g", strings.NewReader(other)); err != nil || len(res.Races) != 2 {
		t.Errorf("a race on another system: %v, %d races", err, len(res.Races))
	}
}

// A file that is named twice, or a copy with more Records, counts no Record twice.
func TestARecordThatIsReadTwiceIsOne(t *testing.T) {
	other := strings.Replace(raceLine, `"writes":9`, `"writes":11`, 1)
	file := raceLine + "\n" + costLine + "\n"
	var res Results
	for _, tc := range []struct{ name, text, warning string }{
		{"f", file, ""},
		{"f", file, "f: Records that were read before are left out: 2"},
		{"f", "", "no Records"},
		{"DOS", strings.ReplaceAll(file, "\n", "\r\n"), "DOS: Records that were read before are left out: 2"},
		{"longer", file + other, "longer: Records that were read before are left out: 2"},
		{"cut", file + other[:50], "cut:3: the last line is cut short, and left out: what was measured after it is not in the report\ncut: Records that were read before are left out: 2"},
		{"twice in one", strings.Replace(raceLine, "storm", "flip", 1) + "\n" + strings.Replace(raceLine, "storm", "flip", 1), "twice in one: Records that were read before are left out: 1"},
	} {
		warnings, err := res.Read(tc.name, strings.NewReader(tc.text))
		if err != nil {
			warnings = append(warnings, err.Error())
		}
		if got := strings.Join(warnings, "\n"); got != tc.warning && !(tc.text == "" && strings.Contains(got, tc.warning)) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.warning)
		}
	}
	if len(res.Costs) != 1 || len(res.Races) != 2 || res.Races[0].Writes != 20 || res.Races[1].Writes != 9 {
		t.Errorf("%d timings, races %+v", len(res.Costs), res.Races)
	}
}

// A timing is compared with raw in the same round of the same run, however many runs
// are read, and whether they come in one file or in several.
func TestRoundsOfRunsAreNotMixed(t *testing.T) {
	run := func(speed float64) string {
		var b bytes.Buffer
		for round := 1; round <= 6; round++ {
			for _, s := range []stablewrite.Strategy{stablewrite.Raw, stablewrite.Bounce} {
				rec := Cost{Kind: KindCost, Strategy: s, Size: 4096, Depth: 1, Round: round, Bytes: 1 << 30, Seconds: 1 / speed, Version: Version}
				if err := Write(&b, rec); err != nil {
					t.Fatal(err)
				}
			}
		}
		return b.String()
	}
	for _, files := range [][]string{{run(1), run(100)}, {run(1) + run(100)}} {
		var res Results
		for _, f := range files {
			if warnings, err := res.Read("f", strings.NewReader(f)); err != nil || len(warnings) > 0 {
				t.Fatal(err, warnings)
			}
		}
		of := map[int][]float64{} // seconds by round
		for _, c := range res.Costs {
			of[c.Round] = append(of[c.Round], c.Seconds)
		}
		for round := 1; round <= 12; round++ {
			if got := of[round]; len(got) != 2 || got[0] != got[1] {
				t.Errorf("%d files, round %d: %v", len(files), round, got)
			}
		}
	}
}

// Tracked is added up as well, so that it stays equal to Writes.
func TestRacesByTrackingStayTrackedWhenAddedUp(t *testing.T) {
	race := Repro{Strategy: stablewrite.Verify, Detect: stablewrite.ByTracking, Mutator: mutator.ABA, Gate: true, Size: 4096, Writes: 9, Overlapped: 9, Tracked: 9}
	var res Results
	res.Add(race)
	res.Add(race)
	if r := res.Races[0]; len(res.Races) != 1 || r.Writes != 18 || r.Tracked != 18 {
		t.Errorf("%+v", res.Races)
	}
}

func TestTextsOfRecordsCannotSteerATerminal(t *testing.T) {
	hostile := "\x1b[2J\u202e\r\n\x00\u0085" + strings.Repeat("w", 10000)
	proof := Prove{Repro: Repro{Kind: KindProve, Size: 4096, System: &System{Kernel: hostile, CPU: hostile}, Version: Version}, Scenario: Race, Kernel: hostile, Victim: hostile, Evidence: []string{hostile}}
	var file bytes.Buffer
	if err := Write(&file, proof); err != nil {
		t.Fatal(err)
	}
	var res Results
	if _, err := res.Read("f", &file); err != nil {
		t.Fatal(err)
	}
	r := res.Proofs[0]
	for _, text := range []string{r.Kernel, r.Victim, r.Evidence[0], r.System.Kernel, r.System.CPU} {
		if strings.ContainsAny(text, "\x1b\u202e\r\n\x00\u0085") || utf8.RuneCountInString(text) > maxString {
			t.Errorf("%q", text)
		}
	}
}
