package report

import (
	"fmt"
	"math"
	"slices"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// standings is a line for each strategy: what became of its writes, what it
// promises of crashes, and what it costs.
func standings(g group, sets []costSet) grid {
	found := judge(g.races)
	costs := costsAtRest(sets)
	out := grid{Head: []string{"strategy", "a change that stays", "a change that is restored", "a crash before Sync"}}
	if len(g.races) == 0 {
		out.Head = out.Head[:1]
	}
	if costs != nil {
		out.Head = append(out.Head, "throughput against raw", "CPU s/GiB added, "+sizeText(atRest(sets).largest()))
	}
	for _, s := range order(stablewrite.Strategies()) {
		var stays, restored *tally
		for _, r := range alike(g.races) {
			if r.Strategy != s || r.Buffered || r.Detect != stablewrite.ByDigest || r.Gate != found.gated || r.Mutator == mutator.None {
				continue
			}
			if r.Mutator.Restores() {
				count(&restored, r)
			} else {
				count(&stays, r)
			}
		}
		c, timed := costs[s]
		if stays == nil && restored == nil && !timed {
			continue
		}
		row := gridRow{Name: s.String(), About: s.About()}
		if len(g.races) > 0 {
			p := s.Promise()
			row.Cells = append(row.Cells, stays.standing(p.Changed), restored.standing(p.Restored), crashStanding(s))
		}
		if costs != nil {
			row.Cells = append(row.Cells, c.cells(s, timed)...)
		}
		for i := range row.Cells {
			row.Cells[i].Head = out.Head[i+1]
		}
		out.put(row)
	}
	return out
}

// order puts raw, which the others are held against, first.
func order(all []stablewrite.Strategy) []stablewrite.Strategy {
	sorted := []stablewrite.Strategy{stablewrite.Raw}
	for _, s := range all {
		if s != stablewrite.Raw {
			sorted = append(sorted, s)
		}
	}
	return sorted
}

// standing says what became of writes, and whether it is as promised.
func (t *tally) standing(promised bool) gridCell {
	switch {
	case t == nil:
		return gridCell{Text: "not tried"}
	case t.judged == 0 && t.refused > 0:
		return gridCell{Text: fmt.Sprintf("refused: all %d", t.refused), State: "kept"}
	case t.judged == 0:
		return gridCell{Text: "nothing to judge"}
	case t.torn == 0:
		return gridCell{Text: fmt.Sprintf("0 of %d torn, below %s", t.judged, repro.Bound(t.judged)), State: "kept"}
	case promised:
		return gridCell{Text: fmt.Sprintf("%v torn: a broken promise", t), State: "broken"}
	}
	return gridCell{Text: fmt.Sprintf("%v torn", t), State: "hole"}
}

// crashStanding is what s promises of a crash.
func crashStanding(s stablewrite.Strategy) gridCell {
	if s.Promise().CrashWindow {
		return gridCell{Text: "torn blocks, until Sync", State: "hole"}
	}
	return gridCell{Text: "as any write"}
}

// restCost is what a strategy costs when nothing changes.
type restCost struct {
	lo, hi float64 // of the medians of the ratio to raw, over all sizes and depths
	// cpuLo and cpuHi are s/GiB more than raw takes, over all depths of the largest
	// size: of small writes the noise of a system call is more than what is added.
	cpuLo, cpuHi float64
}

// costsAtRest is of atRest.
func costsAtRest(sets []costSet) map[stablewrite.Strategy]restCost {
	best := atRest(sets)
	if best == nil {
		return nil
	}
	all := map[stablewrite.Strategy]restCost{}
	for _, k := range best.kinds {
		raw := k.raw()
		for _, c := range k.rows {
			if c.Variant != "" || c.Ratio == 0 || raw == nil {
				continue
			}
			r, ok := all[c.Strategy]
			if !ok {
				r = restCost{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
			}
			r.lo, r.hi = math.Min(r.lo, c.Ratio), math.Max(r.hi, c.Ratio)
			if c.Size == best.largest() {
				r.cpuLo, r.cpuHi = math.Min(r.cpuLo, c.CPU-raw.CPU), math.Max(r.cpuHi, c.CPU-raw.CPU)
			}
			all[c.Strategy] = r
		}
	}
	return all
}

// atRest is the first of sets in which raw was timed with nothing changing, or nil.
// Ratios on null, where raw does nothing, are of nothing.
func atRest(sets []costSet) *costSet {
	i := slices.IndexFunc(sets, func(s costSet) bool { return s.resting() && s.target != record.OnNull && s.has(isRaw) })
	if i < 0 {
		return nil
	}
	return &sets[i]
}

// largest is the size of the largest writes of which raw was timed. There are some.
func (s *costSet) largest() int {
	i := len(s.kinds) - 1 // they are in order of size
	for s.kinds[i].raw() == nil {
		i--
	}
	return s.kinds[i].Size
}

// cells are those of the line of s.
func (r restCost) cells(s stablewrite.Strategy, timed bool) []gridCell {
	switch {
	case !timed:
		return []gridCell{{Text: "not timed"}, {Text: "not timed"}}
	case s == stablewrite.Raw:
		return []gridCell{{Text: "1"}, {Text: "0"}}
	}
	cpu := "not timed"
	if r.cpuHi >= r.cpuLo {
		cpu = span("%+.2f", r.cpuLo, r.cpuHi)
	}
	return []gridCell{{Text: span("%.2f", r.lo, r.hi)}, {Text: cpu}}
}

// span is "0.78 to 1.00", or one number where both are the same.
func span(format string, lo, hi float64) string {
	a, b := fmt.Sprintf(format, lo), fmt.Sprintf(format, hi)
	if a == b {
		return a
	}
	return a + " to " + b
}
