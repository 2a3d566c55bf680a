package report

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
)

var update = flag.Bool("update", false, "write goldens, and what the committed evaluation says into RESULTS.md and README.md")

const (
	readme    = "../../README.md"
	results   = "../evaluate/RESULTS.md"
	committed = "../evaluate/testdata"
)

// README and RESULTS.md show a run that was made, and nothing else.
func TestREADMEShowsTheCommittedRun(t *testing.T) {
	text := render(t)
	testenv.Section(t, results, "evaluate", text, *update)
	where, rest, _ := strings.Cut(strings.TrimPrefix(text, "\n"), "\n\n")
	verdict, _, ok := strings.Cut(rest, "\n\n")
	if !ok {
		t.Fatalf("no verdict in %q", text)
	}
	testenv.Section(t, readme, "headline", "\n"+where+"\n\n"+verdict+"\n\n", *update)
}

// What lies beside the committed run is made from it; of what it has nothing to draw
// from there is no file.
func TestFiguresAreOfTheCommittedRun(t *testing.T) {
	res := load(t, filepath.Join(committed, "results.jsonl"))
	for name, draw := range map[string]func(io.Writer, Results) error{"cost.svg": writeCostSVG, "holes.svg": writeHolesSVG, "report.txt": Text} {
		file := filepath.Join(committed, name)
		var want bytes.Buffer
		err := draw(&want, res)
		switch none := errors.Is(err, errNothingToDraw); {
		case err != nil && !none:
			t.Fatal(err)
		case *update && none:
			os.Remove(file)
		case *update:
			if err := os.WriteFile(file, want.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		is, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if !bytes.Equal(is, want.Bytes()) {
			t.Errorf("%s is not what is drawn: run this test with -update, and look at it", file)
		}
	}
}

// render is the beginning of a report: of costs, those of writes from hot memory to
// the file that nothing changes.
func render(t *testing.T) string {
	res := load(t, filepath.Join(committed, "results.jsonl"))
	res.Costs = slices.DeleteFunc(res.Costs, func(r record.Cost) bool {
		return r.Target != record.OnFile || r.Cold || r.Mutated > 0 || r.Variant.Peer()
	})
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
