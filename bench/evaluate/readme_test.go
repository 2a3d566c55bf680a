package evaluate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"stablepages/bench/record"
)

var update = flag.Bool("update", false, "write what testdata/results.jsonl says into README.md")

// README shows a run that was made, and nothing else.
func TestREADMEShowsTheCommittedRun(t *testing.T) {
	const name, begin, end = "../../README.md", "<!-- evaluate -->\n", "<!-- /evaluate -->"
	readme, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md has no place for the run, between %q and %q", begin, end)
	}
	want := before + begin + render(t) + end + after
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if want != string(readme) {
		t.Error("README.md does not show testdata/results.jsonl: go test ./bench/evaluate -update")
	}
}

func render(t *testing.T) string {
	res := load(t, "testdata/results.jsonl")
	var b bytes.Buffer
	if err := WriteReport(&b, res, Judge(res.Races)); err != nil {
		t.Fatal(err)
	}
	out := "\n"
	for line := range strings.Lines(b.String()) {
		if strings.TrimSpace(line) == "" {
			out += "\n"
			continue
		}
		out += "    " + strings.TrimRight(line, " \n") + "\n"
	}
	return out + "\n"
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
