package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"stablepages/stablewrite"
)

// crossover is what strategies cost by the share of writes that are changed.
type crossover struct {
	place
	size, depth int
	shares      []float64
	lines       []crossoverLine
}

type crossoverLine struct {
	strategy stablewrite.Strategy
	points   []*costRow // by crossover.shares; nil where it was not timed
}

// crossovers finds what was timed with more than one share of writes changed.
func crossovers(tables []costTable) (all []crossover) {
	for _, t := range tables {
		for _, c := range t.rows {
			if c.Variant != "" || c.Ratio == 0 || !slices.Contains([]stablewrite.Strategy{stablewrite.Verify, stablewrite.Bounce, stablewrite.Adaptive}, c.Strategy) {
				continue
			}
			i := slices.IndexFunc(all, func(x crossover) bool { return x.place == t.place && x.size == c.Size && x.depth == c.Depth })
			if i < 0 {
				i, all = len(all), append(all, crossover{place: t.place, size: c.Size, depth: c.Depth})
			}
			all[i].add(c)
		}
	}
	all = slices.DeleteFunc(all, func(x crossover) bool { return len(x.shares) < 2 })
	slices.SortStableFunc(all, func(a, b crossover) int {
		return cmp.Or(a.compare(b.place), a.size-b.size, a.depth-b.depth)
	})
	return all
}

// add adds c. Shares come in ascending order, as costTables has them.
func (x *crossover) add(c costRow) {
	if !slices.Contains(x.shares, c.Mutated) {
		x.shares = append(x.shares, c.Mutated)
	}
	i := slices.IndexFunc(x.lines, func(l crossoverLine) bool { return l.strategy == c.Strategy })
	if i < 0 {
		i, x.lines = len(x.lines), append(x.lines, crossoverLine{strategy: c.Strategy})
	}
	l := &x.lines[i]
	for len(l.points) < len(x.shares) {
		l.points = append(l.points, nil)
	}
	l.points[len(x.shares)-1] = &c
}

// at is the point of l at a share, or nil.
func (l crossoverLine) at(i int) *costRow {
	if i < 0 || i >= len(l.points) {
		return nil
	}
	return l.points[i]
}

// writeCrossovers writes those of one place.
func writeCrossovers(out io.Writer, all []crossover) error {
	var shares []float64
	for _, x := range all {
		shares = append(shares, x.shares...)
	}
	slices.Sort(shares)
	shares = slices.Compact(shares)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "size\tdepth\tstrategy")
	for _, s := range shares {
		fmt.Fprintf(w, "\t%s", percent(s))
	}
	fmt.Fprintln(w, "\t")
	for _, x := range all {
		for _, l := range x.lines {
			fmt.Fprintf(w, "%s\t%d\t%v", sizeText(x.size), x.depth, l.strategy)
			for _, s := range shares {
				text := "-"
				if c := l.at(slices.Index(x.shares, s)); c != nil {
					text = c.ratio()
				}
				fmt.Fprintf(w, "\t%s", text)
			}
			fmt.Fprintln(w, "\t")
		}
	}
	return w.Flush()
}
