package report

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"stablepages/bench/findings"
	"stablepages/bench/record"
	"stablepages/bench/testenv"
)

var update = flag.Bool("update", false, "write goldens, and what the committed evaluation says into RESULTS.md and README.md")

const (
	readme    = "../../README.md"
	results   = "../evaluate/RESULTS.md"
	proof     = "../prove/RESULTS.md"
	committed = "../evaluate/testdata"
	proved    = "../prove/testdata/results.jsonl"
)

// README and RESULTS.md show a run that was made, and nothing else.
func TestREADMEShowsTheCommittedRun(t *testing.T) {
	f := evaluated(t)
	testenv.Section(t, results, "evaluate", indented(t, f), *update)
	f.Answers, f.Sections = nil, f.Sections[:1]
	f.Sections[0].Notes = nil
	testenv.Section(t, readme, "headline", indented(t, f), *update)
}

func indented(t *testing.T, f findings.Findings) string {
	t.Helper()
	var b bytes.Buffer
	if err := Summary(&b, f); err != nil {
		t.Fatal(err)
	}
	return testenv.Indented(b.String())
}

// The proof's RESULTS.md shows what a proof found; the cells of each kernel are in
// report.txt.
func TestRESULTSShowTheCommittedProof(t *testing.T) {
	f := findings.Of(load(t, proved))
	if len(f.Broken)+len(f.Inconclusive) > 0 {
		t.Errorf("the committed proof proves nothing: %q", f.Verdict)
	}
	cells := f
	cells.Answers, cells.Sections = nil, f.Sections[1:]
	f.Sections = f.Sections[:1]
	testenv.Section(t, proof, "prove", indented(t, f), *update)
	var text bytes.Buffer
	if err := Summary(&text, cells); err != nil {
		t.Fatal(err)
	}
	fresh(t, filepath.Join(filepath.Dir(proved), "report.txt"), text.Bytes())
}

// fresh requires that a file holds want, or writes it.
func fresh(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if !bytes.Equal(is, want) {
		t.Errorf("%s differs: run this test with -update, and look at it", file)
	}
}

// The files beside the committed run are made from it.
func TestFiguresAreOfTheCommittedRun(t *testing.T) {
	f := findings.Of(load(t, filepath.Join(committed, "results.jsonl")))
	for name, file := range map[string]string{"cost.svg": "cost.svg", "holes.svg": "holes.svg", "text": "report.txt"} {
		format, err := FormatNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		file = filepath.Join(committed, file)
		var want bytes.Buffer
		err = format.Write(&want, f)
		if err != nil {
			t.Fatal(err)
		}
		fresh(t, file, want.Bytes())
	}
}

// evaluated is the committed run without the costs of writes from cold memory, on
// simulated targets, of other programs, and of shares of changed writes.
func evaluated(t *testing.T) findings.Findings {
	res := load(t, filepath.Join(committed, "results.jsonl"))
	res.Costs = slices.DeleteFunc(res.Costs, func(r record.Cost) bool {
		return r.Target != record.OnFile || r.Cold || r.Mutated > 0 && r.Mutated < 1 || r.Variant.Peer()
	})
	return findings.Of(res)
}

// load reads files in which there is nothing to warn of.
func load(t *testing.T, names ...string) (res record.Results) {
	t.Helper()
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		warnings, err := res.Read(name, f)
		f.Close()
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%v, warnings %q", err, warnings)
		}
	}
	return res
}
