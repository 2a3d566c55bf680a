package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"

	"stablepages/bench/cost"
	"stablepages/bench/record"
)

// samples are Results by name: of a run, thinned, and of Records that are made up.
func samples(t *testing.T) map[string]Results {
	t.Helper()
	all := map[string]Results{"evaluation": load(t, "testdata/evaluation.jsonl", "testdata/proof.jsonl")}
	var res Results
	for _, rec := range made() {
		res.Add(rec)
	}
	all["made"] = res
	return all
}

func TestEveryFormatIsAsItsGolden(t *testing.T) {
	for name, res := range samples(t) {
		for _, format := range Formats() {
			var b bytes.Buffer
			if err := format.Write(&b, res); name == "evaluation" && format.Name == "holes.svg" {
				if !errors.Is(err, errNothingToDraw) {
					t.Errorf("one hold of one size is drawn: %v", err)
				}
				continue
			} else if err != nil {
				t.Errorf("%s as %s: %v", name, format.Name, err)
				continue
			}
			golden := filepath.Join("testdata", name+"."+format.Name)
			if *update {
				if err := os.WriteFile(golden, b.Bytes(), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%s is not what is written: run this test with -update, and look at it", golden)
			}
		}
	}
}

// What is read from a file is what was written to it.
func TestRecordsReadBackMakeTheSameReport(t *testing.T) {
	var file bytes.Buffer
	var direct, back Results
	for _, rec := range made() {
		direct.Add(rec)
		if err := record.Write(&file, rec); err != nil {
			t.Fatal(err)
		}
	}
	if warnings, err := back.Read("f", &file); err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	for _, format := range Formats() {
		var a, b bytes.Buffer
		if err := format.Write(&a, direct); err != nil {
			t.Fatal(err)
		}
		if err := format.Write(&b, back); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: %v, or not the same", format.Name, err)
		}
	}
}

func TestTextFitsATerminal(t *testing.T) {
	for name, res := range samples(t) {
		for i := range res.Races { // numbers of a week, not of a second
			res.Races[i].Writes *= 1e6
			res.Races[i].Torn *= 1e6
		}
		for i := range res.Costs {
			res.Costs[i].CPUSystemSeconds *= 50
			res.Costs[i].P999NS *= 1000
		}
		var b bytes.Buffer
		if err := Text(&b, res); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := widest([]byte(line)); n > columns {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}

func TestTextOfNothing(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, Results{}); err != nil || b.String() != "No Records.\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// benchstat parts results by what is in their names.
func TestBenchfmtReadsBack(t *testing.T) {
	for name, res := range samples(t) {
		var b bytes.Buffer
		if err := writeBenchfmt(&b, res); err != nil {
			t.Fatal(err)
		}
		var parser benchproc.ProjectionParser
		writer, err := parser.Parse("/writer,/target,/memory,/size,/depth,/mutated,/steps,/blocks", nil)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{}
		for _, c := range res.Costs {
			want[benchResult(c, nil).Name.String()] += float64(c.Bytes) / c.Seconds
		}
		n, cells := 0, map[string]bool{}
		for r := benchfmt.NewReader(&b, name); r.Scan(); {
			switch rec := r.Result().(type) {
			case *benchfmt.SyntaxError:
				t.Fatal(rec)
			case *benchfmt.Result:
				n++
				cells[writer.Project(rec).String()] = true
				speed, ok := rec.Value("B/s")
				if !ok {
					t.Fatalf("%s has no B/s", rec.Name)
				}
				want["Write"+strings.TrimPrefix(rec.Name.String(), "Write")] -= speed
				if cpu := rec.GetConfig("cpu"); cpu == "" {
					t.Errorf("%s: no cpu", rec.Name)
				}
			}
		}
		if n != len(res.Costs) || len(cells) != len(cost.Compare(res.Costs)) {
			t.Errorf("%s: %d results of %d cells, want %d of %d", name, n, len(cells), len(res.Costs), len(cost.Compare(res.Costs)))
		}
		for name, left := range want {
			if left > 1e-3 || left < -1e-3 {
				t.Errorf("%s is off by %v B/s", name, left)
			}
		}
	}
}

func TestBenchfmtOfRacesIsAnError(t *testing.T) {
	if err := writeBenchfmt(&bytes.Buffer{}, load(t, "testdata/proof.jsonl")); err == nil {
		t.Error("races as benchfmt are no error")
	}
}

// The page holds all that it needs, and nothing that reaches out or runs.
func TestThePageIsSelfContained(t *testing.T) {
	outside := regexp.MustCompile(`(?i)<script|<link|<img|<iframe|<object|<embed|\son\w+=|\b(src|href|srcset|action)=|url\(|@import|https?:|//\w`)
	for name, res := range samples(t) {
		var b bytes.Buffer
		if err := HTML(&b, res); err != nil {
			t.Fatal(err)
		}
		if found := outside.FindString(b.String()); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

// Who opens the page of another's Records runs nothing of theirs.
func TestThePageShowsTextsAsTexts(t *testing.T) {
	hostile := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	var res Results
	for _, rec := range made() {
		if c, ok := rec.(record.Cost); ok {
			c.Variant, c.Target, c.Backing = record.Variant(hostile), record.Target(hostile), hostile
			c.System = &record.System{CPU: hostile, Kernel: hostile, FileSystem: hostile, Device: hostile, MountOptions: hostile}
			rec = c
		}
		res.Add(rec)
	}
	var b bytes.Buffer
	if err := HTML(&b, res); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script") || strings.Contains(b.String(), "<img") {
		t.Error("a text of a Record is markup")
	}
}

// Image viewers read XML, not HTML.
func TestFiguresInFilesAreXML(t *testing.T) {
	res := samples(t)["made"]
	res.Costs[0].System.Device = `"><script>alert(1)</script>&amp;`
	for _, write := range []func(io.Writer, Results) error{writeCostSVG, writeHolesSVG} {
		var b bytes.Buffer
		if err := write(&b, res); err != nil {
			t.Fatal(err)
		}
		dec, elements := xml.NewDecoder(&b), map[string]int{}
		for {
			token, err := dec.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := token.(xml.StartElement); ok {
				elements[e.Name.Local]++
			}
		}
		if elements["svg"] != 1 || elements["line"] == 0 || elements["path"] == 0 || elements["script"] != 0 {
			t.Errorf("elements: %v", elements)
		}
	}
}

func TestColorIsAroundMarksOnly(t *testing.T) {
	for text, want := range map[string]string{
		"0/100 0/100r ext4 on vda*": "0/100 0/100r ext4 on vda*",
		" *92/100 ":                 " \x1b[33m*92/100\x1b[0m ",
		" !1/100r ":                 " \x1b[1;31m!1/100r\x1b[0m ",
		"*88e1t/110":                "\x1b[33m*88e1t/110\x1b[0m",
	} {
		if got := Color(text); got != want {
			t.Errorf("%q is coloured %q, want %q", text, got, want)
		}
	}
}
