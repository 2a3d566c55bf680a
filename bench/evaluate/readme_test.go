package evaluate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"stablepages/bench/record"
	"stablepages/stablewrite/testenv"
)

var update = flag.Bool("update", false, "write what testdata/results.jsonl says into README.md")

const readme = "../../README.md"

// README shows a run that was made, and nothing else.
func TestREADMEShowsTheCommittedRun(t *testing.T) {
	testenv.Section(t, readme, "evaluate", render(t), *update)
}

func render(t *testing.T) string {
	res := load(t, "testdata/results.jsonl")
	var b bytes.Buffer
	if err := WriteReport(&b, res, Judge(res.Races)); err != nil {
		t.Fatal(err)
	}
	return testenv.Indented(b.String())
}

func load(t *testing.T, name string) (res Results) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var head struct{ Kind string }
		err := json.Unmarshal(lines.Bytes(), &head)
		switch {
		case err != nil:
		case head.Kind == record.KindRepro:
			res.Races = append(res.Races, record.Repro{})
			err = json.Unmarshal(lines.Bytes(), &res.Races[len(res.Races)-1])
		case head.Kind == record.KindCost:
			res.Costs = append(res.Costs, record.Cost{})
			err = json.Unmarshal(lines.Bytes(), &res.Costs[len(res.Costs)-1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return res
}
