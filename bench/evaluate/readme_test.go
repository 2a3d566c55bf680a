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
)

var update = flag.Bool("update", false, "write what testdata/results.jsonl and the promises say into README.md")

// README shows a run that was made, and what the strategies promise, and nothing
// else.
func TestREADMEShowsTheCommittedRunAndThePromises(t *testing.T) {
	const name = "../../README.md"
	was, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := put(t, string(was), "evaluate", render(t))
	want = put(t, want, "promises", promises())
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if want != string(was) {
		t.Error("README.md does not show testdata/results.jsonl and the promises: go test ./bench/evaluate -update")
	}
}

// put replaces what stands between two comments of text.
func put(t *testing.T, text, what, new string) string {
	t.Helper()
	begin, end := "<!-- "+what+" -->\n", "<!-- /"+what+" -->"
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("README.md has no place between %q and %q", begin, end)
	}
	return before + begin + new + end + after
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
