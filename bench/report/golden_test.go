package report

import (
	"bytes"
	"encoding/xml"
	"html"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchproc"

	"stablepages/bench/findings"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

func TestFormatsAreAsTheirGoldens(t *testing.T) {
	once := slices.DeleteFunc(small(), func(rec any) bool { // all rounds of a timing look alike
		c, ok := rec.(record.Cost)
		return ok && c.Round > 1
	})
	for name, f := range map[string]findings.Findings{"text": found(small()...), "csv": found(small()...), "benchfmt": found(once...)} {
		format, err := FormatNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := format.Write(&b, f); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		golden := filepath.Join("testdata", "small."+name)
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
			t.Errorf("%s differs: run this test with -update, and look at it", golden)
		}
	}
}

// samples returns Findings by name: of made-up Records, and of Records of runs.
func samples(t *testing.T) map[string]findings.Findings {
	t.Helper()
	return map[string]findings.Findings{"small": found(small()...), "run": findings.Of(load(t, filepath.Join(committed, "results.jsonl"), proved))}
}

// Records that were written and read make the same report.
func TestRecordsReadBackMakeTheSameReport(t *testing.T) {
	var file bytes.Buffer
	var back record.Results
	for _, rec := range small() {
		if err := record.Write(&file, rec); err != nil {
			t.Fatal(err)
		}
	}
	if warnings, err := back.Read("f", &file); err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	for _, format := range Formats() {
		var a, b bytes.Buffer
		if err := format.Write(&a, found(small()...)); err != nil {
			t.Fatal(err)
		}
		if err := format.Write(&b, findings.Of(back)); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: %v, or not the same", format.Name, err)
		}
	}
}

func TestTextFitsATerminal(t *testing.T) {
	for name, f := range samples(t) {
		res := f.Results
		for i := range res.Races { // numbers of a week, not of a second
			res.Races[i].Writes *= 1e6
			res.Races[i].Torn *= 1e6
		}
		for i := range res.Costs {
			res.Costs[i].CPUSystemSeconds *= 50
			res.Costs[i].P999NS *= 1000
		}
		var b bytes.Buffer
		if err := Text(&b, findings.Of(res)); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(line) - 1; n > columns {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}

// A table that is too wide is written in parts, each with the names of its rows.
func TestAWideTableHasParts(t *testing.T) {
	head, row := []string{""}, findings.Row{Name: "row"}
	for range 13 {
		head, row.Cells = append(head, "tencolumns"), append(row.Cells, findings.Cell{Text: "1"})
	}
	var out text
	out.table(findings.Table{Head: head, Rows: []findings.Row{row}})
	if got := strings.Count(out.String(), "\n  row"); got != 2 || strings.Count(out.String(), "tencolumns") != 13 {
		t.Errorf("%d parts:\n%s", got, out.String())
	}
}

func TestTextOfNothing(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, findings.Findings{}); err != nil || b.String() != "No Records.\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestColorsAreAroundMarksOnly(t *testing.T) {
	f := findings.Findings{Verdict: findings.Verdict{Broken: []string{"bounce"}}, Sections: []findings.Section{{Title: "t", Tables: []findings.Table{{Rows: []findings.Row{
		{Name: "r", Cells: []findings.Cell{{Text: "0/9", Mark: findings.Kept}, {Text: "*3/9", Mark: findings.Hole}, {Text: "!1/9", Mark: findings.Broken}}},
	}}}}}}
	var plain, colored bytes.Buffer
	if Text(&plain, f) != nil || Colored(&colored, f) != nil {
		t.Fatal("no text")
	}
	for text, want := range map[string]string{plain.String(): "  r  0/9  *3/9  !1/9\n", colored.String(): "  r  0/9  \x1b[33m*3/9\x1b[0m  \x1b[1;31m!1/9\x1b[0m\n"} {
		if !strings.HasSuffix(text, want) {
			t.Errorf("%q, want %q at its end", text, want)
		}
	}
	if got := strings.ReplaceAll(regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(colored.String(), ""), "", ""); got != plain.String() {
		t.Errorf("%q is not %q in colour", got, plain.String())
	}
}

// benchstat parts results by their names.
func TestBenchfmtReadsBack(t *testing.T) {
	for name, f := range samples(t) {
		var b bytes.Buffer
		if err := writeBenchfmt(&b, f); err != nil {
			t.Fatal(err)
		}
		var parser benchproc.ProjectionParser
		writer, err := parser.Parse("/writer,/target,/memory,/size,/depth,/mutated,/steps,/blocks", nil)
		if err != nil {
			t.Fatal(err)
		}
		want, total := map[string]float64{}, map[string]float64{}
		kinds := 0
		for _, on := range f.On {
			for _, c := range on.Timings {
				name := benchResult(c, nil).Name.String()
				want[name] += float64(c.Bytes) / c.Seconds
				total[name] = want[name]
			}
			for _, k := range on.Kinds() {
				kinds += len(k.Rows)
			}
		}
		n, cells, programs := 0, map[string]bool{}, 0
		for r := benchfmt.NewReader(&b, name); r.Scan(); {
			switch rec := r.Result().(type) {
			case *benchfmt.SyntaxError:
				t.Fatal(rec)
			case *benchfmt.Result:
				speed, ok := rec.Value("B/s")
				if !ok {
					programs++
					continue
				}
				n++
				cells[writer.Project(rec).String()] = true
				want[rec.Name.String()] -= speed
				if cpu := rec.GetConfig("cpu"); cpu == "" {
					t.Errorf("%s: no cpu", rec.Name)
				}
			}
		}
		if res := f.Results; n != len(res.Costs) || len(cells) != kinds || programs != len(res.Watches)+len(res.Guards) {
			t.Errorf("%s: %d results of %d cells, want %d of %d; %d programs", name, n, len(cells), len(res.Costs), kinds, programs)
		}
		for name, left := range want {
			if math.Abs(left) > 1e-9*total[name] {
				t.Errorf("%s is off by %v B/s", name, left)
			}
		}
	}
}

func TestBenchfmtOfRacesIsAnError(t *testing.T) {
	if err := writeBenchfmt(io.Discard, findings.Of(load(t, proved))); err == nil {
		t.Error("races as benchfmt are no error")
	}
}

// A report has no quantile of too few writes: that would be the slowest write.
func TestAQuantileOfTooFewWritesIsLeftOut(t *testing.T) {
	for n, want := range map[int64]int{1: 1, 99: 1, 100: 2, 999: 2, 1000: 3} {
		f := found(record.Cost{Writes: n, Strategy: stablewrite.Raw, Size: 1 << 20, Depth: 1, Bytes: n << 20, Seconds: 1, P50NS: 10, P99NS: 20, P999NS: 30})
		var shown, table, lines strings.Builder
		if Text(&shown, f) != nil || writeCSV(&table, f) != nil || writeBenchfmt(&lines, f) != nil {
			t.Fatal("no report")
		}
		row := shown.String()[strings.LastIndex(shown.String(), "    raw"):]
		empty := strings.HasSuffix(strings.TrimSpace(table.String()), strings.Repeat(",", 3-want)+",0,0,,,,unknown"+strings.Repeat(",", 10))
		if strings.Count(row, " ns") != want || !empty || strings.Count(lines.String(), "-sec") != want+2 {
			t.Errorf("%d writes: want %d quantiles\n%s%s%s", n, want, row, table.String(), lines.String())
		}
	}
}

// The page holds all that it needs, and nothing that reaches out or runs.
func TestThePageIsSelfContained(t *testing.T) {
	outside := regexp.MustCompile(`(?i)<script|<link|<img|<iframe|<object|<embed|\son\w+=|\b(src|href|srcset|action)=|url\(|@import|https?:|//\w`)
	for name, f := range samples(t) {
		if found := outside.FindString(page(t, f)); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

func page(t *testing.T, f findings.Findings) string {
	t.Helper()
	var b strings.Builder
	if err := HTML(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Everything that was found is on the page, in order, and elements are closed.
func TestThePageSaysWhatWasFound(t *testing.T) {
	for name, f := range samples(t) {
		text := page(t, f)
		var want []string
		add := func(texts ...string) { want = append(want, texts...) }
		add(f.Headline)
		for _, a := range f.Answers {
			add(append([]string{a.Question}, a.Said...)...)
		}
		for _, s := range f.Sections {
			add(s.Title)
			add(s.Text...)
			for _, figure := range s.Figures {
				add(figure.Title, "<svg", figure.Note)
			}
			for _, table := range s.Tables {
				add(table.Title)
				add(table.Head...)
				for _, r := range table.Rows {
					add(r.Name)
					for _, c := range r.Cells {
						add(c.Text)
					}
				}
			}
			for _, l := range s.Lists {
				add(append([]string{l.Title}, l.Items...)...)
			}
			add(s.Notes...)
		}
		add(f.Doubts...)
		rest := html.UnescapeString(text[strings.Index(text, "<h1"):])
		for _, w := range want {
			i := strings.Index(rest, w)
			if i < 0 {
				t.Fatalf("%s: no %q in the rest of the page", name, w)
			}
			rest = rest[i+len(w):]
		}
		open := map[string]int{}
		for _, tag := range regexp.MustCompile(`<(/?)([a-z0-9]+)[^>]*?(/?)>`).FindAllStringSubmatch(text, -1) {
			switch {
			case tag[2] == "meta" || tag[3] == "/":
			case tag[1] == "/":
				open[tag[2]]--
			default:
				open[tag[2]]++
			}
		}
		for tag, n := range open {
			if n != 0 {
				t.Errorf("%s: %d elements %s are not closed", name, n, tag)
			}
		}
	}
}

// A page shows a broken promise in its title, in its list and in the cells.
func TestThePageBeginsWithABrokenPromise(t *testing.T) {
	text := page(t, found(record.Repro{Strategy: stablewrite.Bounce, Mutator: mutator.ABA, Gate: true, Size: 4096, Writes: 9, Overlapped: 9, Torn: 2}))
	for _, want := range []string{`<h1 class="broken">A promise was broken</h1>`, "<li>bounce against aba: 2 of 9 writes torn</li>", `class="broken">!2 of 9 torn</td>`, `class="broken">!2/9</td>`} {
		before, after, ok := strings.Cut(text, want)
		if !ok {
			t.Fatalf("no %q in\n%s", want, before)
		}
		text = after
	}
}

// Texts of foreign Records run no script on a page, and send no control sequence to
// a terminal.
func TestTextsOfRecordsAreTexts(t *testing.T) {
	hostile := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	recs := small()
	for i, rec := range recs {
		switch r := rec.(type) {
		case record.Cost:
			r.Variant, r.Target, r.Backing = record.Variant(hostile), record.Target(hostile), hostile
			r.System = &record.System{CPU: hostile, Kernel: hostile, FileSystem: hostile, Device: hostile, MountOptions: hostile}
			recs[i] = r
		case record.Prove:
			r.Victim, r.Kernel, r.Origin, r.Evidence = hostile, hostile, hostile, []string{hostile}
			recs[i] = r
		case record.Watch:
			r.Comm, r.Device, r.File = hostile, hostile, hostile
			recs[i] = r
		}
	}
	if text := page(t, found(recs...)); strings.Contains(text, "<script") || strings.Contains(text, "<img") {
		t.Error("a text of a Record is markup")
	}
}

// Image viewers read XML, not HTML.
func TestFiguresInFilesAreXML(t *testing.T) {
	f := found(small()...)
	f.Cost.System = `"><script>alert(1)</script>&amp;`
	for _, figure := range []*findings.Figure{f.Cost, f.Holes} {
		var b bytes.Buffer
		if err := writeFigure(&b, figure); err != nil {
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
