package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/bench/watch"
	"stablepages/stablewrite"
)

// watchRun is what the Records of one run of watch have in common.
type watchRun struct {
	system            *record.System
	seconds           float64
	bios, untraced    int64
	sample, maxBlocks int
}

// watchesByRun parts Records of watch by run.
func watchesByRun(all []record.Watch) (parts [][]record.Watch) {
	at := map[watchRun]int{}
	for _, w := range all {
		key := watchRun{w.System, w.Seconds, w.Bios, w.Untraced, w.Sample, w.MaxBlocks}
		i, ok := at[key]
		if !ok {
			i, at[key] = len(parts), len(parts)
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], w)
	}
	return parts
}

// watchRows are shown of a run; what changed direct writes comes first.
const watchRows = 50

// writeWatches writes what was seen, by run.
func writeWatches(out io.Writer, gap string, all []record.Watch) error {
	for _, run := range watchesByRun(all) {
		fmt.Fprintf(out, "%s%s\n\n", gap, prove.Wrap(describe(run[0].System)))
		gap = "\n"
		for line := range strings.Lines(watch.Text(run, watchRows)) {
			line = strings.TrimRight(line, "\n")
			if utf8.RuneCountInString(line) > columns {
				line = prove.Wrap(line)
			}
			if _, err := fmt.Fprintln(out, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// watchSection is a run of watch for HTML.
func watchSection(run []record.Watch) section {
	outcome, verdict := watch.Judge(run)
	s := section{Title: "Writes that were watched", Where: describe(run[0].System), Text: []string{verdict}}
	g := grid{Caption: "Programs", Head: []string{"", "from", "device", "writes", "changed", "share", "blocks", "changed"}}
	for i, w := range run {
		if i >= watchRows || w.Writes == 0 {
			break
		}
		state := ""
		if w.Direct == stablewrite.DirectYes && w.Changed > 0 {
			state = "broken"
		}
		row := g.add(watch.Program(w), string(w.Memory), w.Device, fmt.Sprint(w.Writes), fmt.Sprint(w.Changed), watch.Share(w.Changed, w.Writes), fmt.Sprint(w.Blocks), fmt.Sprint(w.BlocksChanged))
		row.Cells[3].State = state
	}
	if len(g.Bodies) > 0 {
		s.Grids = []grid{g}
	}
	for _, f := range watch.Findings(run) {
		for _, said := range f.Said {
			s.Notes = append(s.Notes, f.Program+": "+said)
		}
	}
	if outcome == watch.Changed {
		for i, do := range watch.Advice {
			s.Notes = append(s.Notes, fmt.Sprintf("What to do, %d: %s", i+1, do))
		}
	}
	s.Notes = append(s.Notes, watch.Coverage(run))
	return s
}
