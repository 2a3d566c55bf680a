package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"stablepages/bench/cost"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// costLines say what verify and bounce cost in one place, at worst and at best.
func costLines(sets []costSet) (lines []string) {
	for _, s := range []stablewrite.Strategy{stablewrite.Verify, stablewrite.Bounce} {
		var parts []string
		for _, of := range sets {
			if text := of.span(s); text != "" {
				parts = append(parts, text)
			}
		}
		if len(parts) > 0 {
			lines = append(lines, fmt.Sprintf("%-6v %s", s, strings.Join(parts, ";\n       ")))
		}
	}
	var checked, torn int64
	for _, of := range sets {
		for _, k := range of.kinds {
			for _, c := range k.rows {
				checked, torn = checked+c.Checked, torn+c.Torn
			}
		}
	}
	switch {
	case torn > 0:
		lines = append(lines, fmt.Sprintf("TORN: %d of %d writes read back were not what their receipts say", torn, checked))
	case checked > 0:
		lines = append(lines, fmt.Sprintf("%d writes of runs in which buffers changed were read back, and are what their receipts say", checked))
	}
	if len(lines) == 0 {
		lines = []string{"Neither verify nor bounce was timed."}
	}
	for _, of := range sets {
		if text := of.reached(); text != "" {
			lines = append(lines, text)
		}
	}
	return lines
}

// reached says how much of what a delay allows raw gets with nothing changing: what
// it does not get went to timers that are late, or to software.
func (s costSet) reached() string {
	if s.target != record.OnDelay || !s.resting() {
		return ""
	}
	least, most := math.Inf(1), math.Inf(-1)
	var from, to cost.Cell
	for _, k := range s.kinds {
		raw, allowed := k.raw(), s.allows(k.Cell)
		if raw == nil || allowed <= 0 {
			continue
		}
		share := raw.Throughput / allowed
		if share < least {
			least, from = share, k.Cell
		}
		if share > most {
			most, to = share, k.Cell
		}
	}
	if least > most {
		return ""
	}
	text := fmt.Sprintf("%-6v gets %s", stablewrite.Raw, ratioText(least))
	if end := ratioText(most); end != ratioText(least) {
		text += fmt.Sprintf(" (%s) to %s (%s)", cellName(from), end, cellName(to))
	}
	return text + " of what the delay allows"
}

// allows is the throughput that a delay leaves to a writer who takes no time: as many
// writes at a time as the depth says, which share the bandwidth. 0 if there is none.
func (p place) allows(c cost.Cell) float64 {
	if p.bandwidth <= 0 {
		return 0
	}
	size := float64(c.Size)
	return min(p.bandwidth, float64(c.Depth)*size/(p.latency.Seconds()+size/p.bandwidth))
}

// span is what a strategy costs in s, if s is one of the ends: nothing changing, or
// all.
func (s costSet) span(of stablewrite.Strategy) string {
	when := "of raw's throughput with nothing changing"
	switch {
	case s.mutated == 1:
		when = "with every write changed in flight"
	case !s.resting():
		return ""
	}
	var found []cost.Comparison
	var adds []string
	for _, k := range s.kinds {
		c := k.of(of.String())
		if c == nil || c.Ratio == 0 {
			continue
		}
		found = append(found, *c)
		if k.Depth == s.kinds[0].Depth {
			adds = append(adds, sizeText(k.Size)+" "+addedTime(*c, k.raw()))
		}
	}
	switch {
	case len(found) == 0:
		return ""
	case s.target == record.OnNull && s.mutated == 0:
		return prove.Wrap(fmt.Sprintf("adds to a write with nothing changing, depth %d: %s", s.kinds[0].Depth, strings.Join(adds, ", ")))
	case s.target == record.OnNull:
		return ""
	}
	byRatio := func(a, b cost.Comparison) int { return cmp.Compare(a.Ratio, b.Ratio) }
	worst, best := slices.MinFunc(found, byRatio), slices.MaxFunc(found, byRatio)
	text := ratioOf(worst)
	if end := ratioOf(best); end != text {
		text = fmt.Sprintf("%s (%s) to %s (%s)", text, cellName(worst.Cell), end, cellName(best.Cell))
	}
	return text + " " + when
}

// broken is what of s was read back after its buffers changed, and is not what
// receipts say. Only what is promised to be is read back.
func (s costSet) broken() (lines []string) {
	for _, k := range s.kinds {
		for _, c := range k.rows {
			if c.Torn > 0 {
				lines = append(lines, fmt.Sprintf("%s, timed with %s, %s: %d of %d writes torn", c.Writer(), s.changing(), cellName(k.Cell), c.Torn, c.Checked))
			}
		}
	}
	return lines
}
