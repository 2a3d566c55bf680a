package evaluate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"stablepages/bench/record"
	"stablepages/stablewrite"
	"stablepages/stablewrite/testenv"
)

var update = flag.Bool("update", false, "write what testdata/results.jsonl and the promises say into README.md")

const readme = "../../README.md"

// README shows a run that was made, and what the strategies promise, and nothing
// else.
func TestREADMEShowsTheCommittedRunAndThePromises(t *testing.T) {
	testenv.Section(t, readme, "evaluate", render(t), *update)
	testenv.Section(t, readme, "promises", promises(), *update)
}

// promises is the table of Strategy.Promise.
func promises() string {
	var b strings.Builder
	b.WriteString("\n| strategy | does | media = receipt after a change | ... after a change that was restored | crash |\n|---|---|---|---|---|\n")
	for _, s := range stablewrite.Strategies() {
		p := s.Promise()
		kept := func(yes bool) string {
			switch {
			case !yes:
				return "**no**"
			case p.AfterSync:
				return "yes, after Sync"
			}
			return "yes"
		}
		changed, crash := kept(p.Changed), "as any write"
		if p.Refuses {
			changed += ": it is refused"
		}
		if p.CrashWindow {
			crash = "**torn blocks until Sync**"
		}
		fmt.Fprintf(&b, "| `%v` | %s | %s | %s | %s |\n", s, s.About(), changed, kept(p.Restored), crash)
	}
	return b.String() + "\n"
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
