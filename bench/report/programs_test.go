package report

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stablepages/bench/testenv"
	"stablepages/bench/watch"
	"stablepages/stablewrite"
)

const programs = "../watch/programs/"

// watched has the results of one run of a program under watch.
type watched struct {
	writes, changed  int64 // direct
	untraced         int64
	data, throughput string // as its script said
}

// readWatched reads the files that run.sh wrote.
func readWatched(t *testing.T, name string) (w watched) {
	t.Helper()
	res := load(t, name+".jsonl")
	for _, r := range res.Watches {
		w.untraced = r.Untraced
		if r.Direct == stablewrite.DirectYes {
			w.writes, w.changed = w.writes+r.Writes, w.changed+r.Changed
		}
	}
	text, err := os.ReadFile(name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	find := func(pattern string) string {
		if m := regexp.MustCompile(`(?m)^` + pattern + `: (.*)$`).FindSubmatch(text); m != nil {
			return string(m[1])
		}
		return "-"
	}
	w.data, w.throughput = find("check"), find("throughput")
	return w
}

// PROGRAMS.md shows the Records beside it, and nothing else.
func TestTheListOfProgramsIsOfItsRecords(t *testing.T) {
	all, err := filepath.Glob(programs + "records/*.plain.jsonl")
	if err != nil || len(all) == 0 {
		t.Fatalf("%d Records: %v", len(all), err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, "| program | direct writes | changed in flight | missed | its data | throughput | under `run`: direct writes | its data | throughput |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|---|")
	for _, plain := range all {
		name := strings.TrimSuffix(plain, ".plain.jsonl")
		p, g := readWatched(t, name+".plain"), readWatched(t, name+".guarded")
		changed := "no direct writes"
		switch {
		case p.changed > 0:
			changed = fmt.Sprintf("**%d**, %s", p.changed, watch.Share(p.changed, p.writes))
		case p.writes > 0:
			changed = fmt.Sprintf("0, so below %.2g %%", 300/float64(p.writes))
		}
		label := strings.TrimSuffix(strings.Replace(filepath.Base(name), ".", ", ", 1), ", only")
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %s | %s | %d | %s | %s |\n", label, p.writes, changed, p.untraced, p.data, p.throughput, g.writes, g.data, g.throughput)
	}
	testenv.Section(t, "../watch/PROGRAMS.md", "programs", b.String(), *update)
}
