package report

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"stablepages/stablewrite/testenv"
)

var update = flag.Bool("update", false, "write goldens, and what the committed evaluation says into README.md")

const readme = "../../README.md"

// README shows a run that was made, and nothing else.
func TestREADMEShowsTheCommittedRun(t *testing.T) {
	testenv.Section(t, readme, "evaluate", render(t), *update)
}

func render(t *testing.T) string {
	res := load(t, "../evaluate/testdata/results.jsonl")
	var b bytes.Buffer
	if err := Summary(&b, res); err != nil {
		t.Fatal(err)
	}
	return testenv.Indented(b.String())
}

// load reads files in which there is nothing to warn of.
func load(t *testing.T, names ...string) (res Results) {
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
