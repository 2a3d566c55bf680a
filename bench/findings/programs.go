package findings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"stablepages/bench/guard"
	"stablepages/bench/probe"
	"stablepages/bench/record"
	"stablepages/bench/watch"
	"stablepages/stablewrite"
)

// watchRun has the fields that all Records of one run of watch share.
type watchRun struct {
	system            *record.System
	seconds           float64
	bios, untraced    int64
	sample, maxBlocks int
}

// watched groups Records of watch by run.
func watched(all []record.Watch) [][]record.Watch {
	return parted(all, func(w record.Watch) watchRun {
		return watchRun{w.System, w.Seconds, w.Bios, w.Untraced, w.Sample, w.MaxBlocks}
	})
}

// watchRows are the most rows for a run. Changed direct writes come first.
const watchRows = 50

func watchSection(run []record.Watch) Section {
	outcome, verdict := watch.Judge(run)
	s := Section{Title: "Writes that were watched", System: run[0].System.String(), Text: []string{verdict}}
	t := Table{Head: []string{"", "writes", "changed", "share", "blocks", "changed", "from", "device"}}
	for _, w := range run {
		switch {
		case w.Writes == 0:
			continue
		case len(t.Rows) == watchRows:
			s.Notes = []string{fmt.Sprintf("There are more than %d rows: the Records have the others.", watchRows)}
		default:
			t.add(watch.Program(w), fmt.Sprint(w.Writes), fmt.Sprint(w.Changed), watch.Share(w.Changed, w.Writes), fmt.Sprint(w.Blocks), fmt.Sprint(w.BlocksChanged), string(w.Memory), record.Printable(w.Device))
			if w.Direct == stablewrite.DirectYes && w.Changed > 0 {
				t.Rows[len(t.Rows)-1].Cells[1].Mark = Broken
			}
		}
	}
	s.Tables = some(t)
	for _, f := range watch.Findings(run) {
		s.Lists = append(s.Lists, List{f.Program + ":", f.Said})
	}
	if outcome == watch.Changed {
		title := "What to do, if a program checksums what it changes, the first that is possible:"
		if slices.ContainsFunc(run, func(r record.Watch) bool { return r.Changed > 0 && watch.BelowOf(r).NeedsStablePages() }) {
			title = "What to do, the first that is possible:"
		}
		s.Lists = append(s.Lists, List{title, watch.Advice(run)})
	}
	s.Notes = append(s.Notes, watch.Coverage(run))
	return s
}

// guardSections show by system which files lost O_DIRECT, the most frequent first.
func guardSections(all []record.Guard) (sections []Section) {
	for _, part := range parted(all, func(g record.Guard) *record.System { return g.System }) {
		slices.SortStableFunc(part, func(a, b record.Guard) int { return cmp.Compare(b.Taken(), a.Taken()) })
		said := strings.Split(guard.Text(part, len(part)), "\n  ")
		sections = append(sections, Section{Title: "Guarded", System: part[0].System.String(), Lists: []List{{said[0], said[1:]}}})
	}
	return sections
}

func probeSection(p record.Probe) Section {
	return Section{Title: "Probed: " + p.Path, System: p.System.String(), Text: probe.Advise(p).Said}
}
