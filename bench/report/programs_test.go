package report

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// figuresOf are figures of one program, by way: direct, run or own; and their unit.
type figuresOf struct {
	unit string
	by   map[string][]float64
}

// readThroughput reads what throughput.sh wrote.
func readThroughput(t *testing.T, file string) map[string]*figuresOf {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	scale := map[string]float64{"": 1, "K": 1. / 1024, "M": 1, "G": 1024}
	all := map[string]*figuresOf{}
	for line := range strings.Lines(string(text)) {
		m := regexp.MustCompile(`^(\S+) (direct|run|own) ([\d.]+) ?(?:([KMG]?)iB)?(\S*/s)`).FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("%s: %q", file, line)
		}
		figure, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		unit := m[5]
		if m[4] != "" {
			unit = "MiB/s"
		}
		of := all[m[1]]
		if of == nil {
			of = &figuresOf{unit, map[string][]float64{}}
			all[m[1]] = of
		}
		of.by[m[2]] = append(of.by[m[2]], figure*scale[m[4]])
	}
	return all
}

// PROGRAMS.md shows the figures beside it, and nothing else.
func TestTheThroughputOfProgramsIsOfItsFigures(t *testing.T) {
	all := readThroughput(t, programs+"throughput.txt")
	var b strings.Builder
	fmt.Fprintln(&b, "| program | unit | with `O_DIRECT` | under `run` | its own switch | `run` by its own switch |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		of := all[name]
		fmt.Fprintf(&b, "| %s | %s |", name, of.unit)
		median := map[string]float64{}
		for _, way := range []string{"direct", "run", "own"} {
			s := of.by[way]
			if len(s) < 3 {
				t.Fatalf("%s, %s: %d figures", name, way, len(s))
			}
			slices.Sort(s)
			median[way] = s[len(s)/2]
			fmt.Fprintf(&b, " %.0f (%.0f to %.0f, n=%d) |", median[way], s[0], s[len(s)-1], len(s))
		}
		fmt.Fprintf(&b, " %.2f |\n", median["run"]/median["own"])
	}
	testenv.Section(t, "../watch/PROGRAMS.md", "throughput", b.String(), *update)
}
