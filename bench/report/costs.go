package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"stablepages/bench/cost"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// place is where timings were made.
type place struct {
	target record.Target
	cold   bool
}

// compare orders places by target, cold after hot.
func (p place) compare(q place) int {
	cold := map[bool]int{true: 1}
	return cmp.Or(cmp.Compare(p.target, q.target), cold[p.cold]-cold[q.cold])
}

// costTable is timings in one place that differ by writer, size and depth only.
type costTable struct {
	place
	mutated float64
	backing string // pages behind the writers' memory; "" if not known, or not the same
	rows    []costRow
}

type costRow struct {
	cost.Comparison
	// again is raw against raw of that size and depth: what two equal things
	// differ by. It is nil where raw was not timed twice.
	again *cost.Comparison
}

// bounded reports whether there were enough rounds for an interval.
func (c costRow) bounded() bool { return c.Ratio > 0 && !math.IsInf(c.Lo, 0) && !math.IsInf(c.Hi, 0) }

// plainRaw reports whether c is what the others are held against.
func (c costRow) plainRaw() bool {
	return c.Strategy == stablewrite.Raw && c.Variant == "" && c.Mutated == 0
}

// noise reports whether the interval of c meets that of raw against raw: nothing
// tells its difference from noise then.
func (c costRow) noise() bool {
	return c.again != nil && c.Variant != record.Again && !c.plainRaw() && c.bounded() && c.Lo <= c.again.Hi && c.again.Lo <= c.Hi
}

// costTables parts the timings of one system into tables, rows of equal size and
// depth next to each other.
func costTables(recs []record.Cost) (all []costTable) {
	compared := cost.Compare(recs)
	again := map[cost.Cell]*cost.Comparison{}
	for i, c := range compared {
		if c.Variant == record.Again && c.Strategy == stablewrite.Raw && c.Mutated == 0 && c.Ratio > 0 && !math.IsInf(c.Lo, 0) {
			again[beside(c.Cell)] = &compared[i]
		}
	}
	for _, c := range compared {
		at := place{c.Target, c.Cold}
		i := slices.IndexFunc(all, func(t costTable) bool { return t.place == at && t.mutated == c.Mutated })
		if i < 0 {
			i = len(all)
			all = append(all, costTable{place: at, mutated: c.Mutated, backing: backing(recs, at)})
		}
		all[i].rows = append(all[i].rows, costRow{c, again[beside(c.Cell)]})
	}
	slices.SortStableFunc(all, func(a, b costTable) int { return cmp.Or(a.compare(b.place), cmp.Compare(a.mutated, b.mutated)) })
	return all
}

// beside is where c is timed, whoever writes.
func beside(c cost.Cell) cost.Cell {
	return cost.Cell{Target: c.Target, Cold: c.Cold, Size: c.Size, Depth: c.Depth}
}

func backing(recs []record.Cost, at place) (pages string) {
	first := true
	for _, r := range recs {
		if (place{r.Target, r.Cold}) != at {
			continue
		}
		if !first && r.Backing != pages {
			return ""
		}
		first, pages = false, r.Backing
	}
	return pages
}

// where is "hot buffers", "on null, cold buffers of huge pages": a file is not named.
func (t costTable) where() string {
	text := "hot buffers"
	if t.cold {
		text = "cold buffers"
	}
	if t.target != record.OnFile {
		text = "on " + string(t.target) + ", " + text
	}
	if t.backing != "" {
		text += " of " + t.backing + " pages"
	}
	return text
}

func (t costTable) title() string {
	if t.mutated == 0 {
		return fmt.Sprintf("Cost with nothing changing, each strategy against raw in the same round (%s)", t.where())
	}
	return fmt.Sprintf("Cost with %s of writes changed in flight, against raw with nothing changing (%s)", percent(t.mutated), t.where())
}

// simulated reports whether there is no disk: time per write says more then than a
// quantile.
func (t costTable) simulated() bool { return t.target == record.OnNull || t.target == record.OnDelay }

// noisy reports whether one of the rows is.
func (t costTable) noisy() bool { return slices.ContainsFunc(t.rows, costRow.noise) }

// write writes t as text.
func (t costTable) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	last := "p99 us"
	if t.simulated() {
		last = "ns/write"
	}
	fmt.Fprintf(w, "size\tdepth\tstrategy\tMB/s\tratio to raw\t95%% interval\tCPU s/GiB\t%s\tn\t\n", last)
	for i, c := range t.rows {
		if i > 0 && (c.Size != t.rows[i-1].Size || c.Depth != t.rows[i-1].Depth) {
			fmt.Fprintln(w, "\t\t\t\t\t\t\t\t\t")
		}
		value := c.P99 / 1e3
		if t.simulated() {
			value = c.elapsed()
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%.0f\t%s\t%s\t%.2f\t%.0f\t%d\t\n",
			sizeText(c.Size), c.Depth, c.Writer(), c.Throughput/1e6, c.ratio(), c.interval(), c.CPU, value, c.N)
	}
	return w.Flush()
}

// elapsed is ns from one write to the next, of all writers together.
func (c costRow) elapsed() float64 { return float64(c.Size) / c.Throughput * 1e9 }

func (c costRow) ratio() string {
	switch {
	case c.Ratio == 0:
		return "-"
	case c.noise():
		return fmt.Sprintf("~%.2f", c.Ratio)
	}
	return fmt.Sprintf("%.2f", c.Ratio)
}

func (c costRow) interval() string {
	if !c.bounded() {
		return "-"
	}
	return fmt.Sprintf("%.2f to %.2f", c.Lo, c.Hi)
}

func sizeText(bytes int) string {
	if bytes%1024 != 0 {
		return strconv.Itoa(bytes)
	}
	return strconv.Itoa(bytes>>10) + "k"
}

// percent is a share as "0.1%", "50%".
func percent(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", 100*share), "0"), ".") + "%"
}
