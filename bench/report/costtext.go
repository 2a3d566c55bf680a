package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"stablepages/bench/cost"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// costPlace is what was timed in one place.
type costPlace struct {
	sets       []costSet
	crossovers []cost.Crossover
}

// costPlaces parts what was timed on one system by place.
func costPlaces(recs []record.Cost) (all []costPlace) {
	for _, s := range costSets(recs) {
		if n := len(all); n == 0 || all[n-1].sets[0].place != s.place {
			all = append(all, costPlace{})
		}
		last := &all[len(all)-1]
		last.sets = append(last.sets, s)
	}
	at := map[place]*costPlace{}
	for i := range all {
		at[all[i].sets[0].place] = &all[i]
	}
	for _, x := range cost.Crossovers(recs) {
		p := at[placeOf(x.Of)]
		p.crossovers = append(p.crossovers, x)
	}
	return all
}

// writeCosts writes what one place shows: sentences, a table of strategies for each
// share of changed writes, crossovers.
func writeCosts(out io.Writer, p costPlace) error {
	fmt.Fprintf(out, "\n%s\n\n%s\n", prove.Wrap("What it costs on "+p.sets[0].where()), strings.Join(costLines(p.sets), "\n"))
	for _, s := range p.sets {
		if len(s.strategies()) == 0 || s.twoSteps { // crossovers have these
			continue
		}
		fmt.Fprintf(out, "\n%s\n%s\n", prove.Wrap(s.caption()), s.note())
		if err := s.sheet().write(out); err != nil {
			return err
		}
		if lanes := s.lanes(); lanes != "" {
			fmt.Fprintf(out, "\n%s\n", prove.Wrap(lanes))
		}
		if s.mutated > 0 {
			continue
		}
		fmt.Fprintf(out, "\nProcessor time, user and system, s/GiB: %s\n\n", s.changing())
		if err := s.processor().write(out); err != nil {
			return err
		}
		if err := s.writePeers(out); err != nil {
			return err
		}
	}
	return p.writeCrossovers(out)
}

// writePeers writes what other programs did, if any were timed.
func (s costSet) writePeers(out io.Writer) error {
	isPeer := func(c cost.Comparison) bool { return c.Variant.Peer() }
	beside := s
	beside.kinds = slices.DeleteFunc(slices.Clone(s.kinds), func(k costKind) bool { return !slices.ContainsFunc(k.rows, isPeer) })
	if len(beside.kinds) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\nOther programs, throughput by raw's in the same round: %s\n\n", s.changing())
	return beside.table(beside.writers(isPeer), s.brief).write(out)
}

// caption says what sheet shows.
func (s costSet) caption() string {
	if s.target == record.OnNull {
		return "What a write takes longer than raw's, and how fast that is by its size: " + s.changing()
	}
	return "Throughput by raw's in the same round, median and 95% interval: " + s.changing()
}

// lanes says what is added to large writes where nothing but software takes time.
func (s costSet) lanes() string {
	large := func(k costKind) bool { return k.Size > stablewrite.DefaultSegmentBytes }
	if s.target != record.OnNull || !slices.ContainsFunc(s.kinds, large) {
		return ""
	}
	return fmt.Sprintf("Strategies write what is larger than %s in segments, several at a time on several processors: what is added to such a write is time that passes, and not work.",
		sizeText(stablewrite.DefaultSegmentBytes))
}

// note is a line on what may be noise, if anything in sheet may be.
func (s costSet) note() string {
	if s.has(func(c cost.Comparison) bool { return c.Noise && c.Variant == "" }) {
		return noiseNote
	}
	return ""
}

const noiseNote = "(~ may be noise: the interval has 1 in it, or lies within that of raw by raw itself)\n"

const latencyNote = "(p50, p99, p99.9: without the Syncs between writes; - where a round had too few writes for it)\n"

// sheet has what strategies cost.
func (s costSet) sheet() sheet {
	besides := s.writers(func(c cost.Comparison) bool {
		return s.target != record.OnNull && (c.Variant == record.Again || c.Variant == record.Huge || c.Variant == record.Copied || c.Variant == record.Dontcache)
	})
	return s.table(append(besides, s.strategies()...), s.brief)
}

// processor has the processor time of raw and of strategies.
func (s costSet) processor() sheet {
	return s.table(append([]string{stablewrite.Raw.String()}, s.strategies()...), func(_ costKind, c cost.Comparison) string { return fmt.Sprintf("%.2f", c.CPU) })
}

// table has a line for each size and depth, a column for each writer.
func (s costSet) table(writers []string, text func(costKind, cost.Comparison) string) sheet {
	t := sheet{heads: 2}
	t.add(append([]string{"size", "depth"}, writers...)...)
	for _, k := range s.kinds {
		row := []string{sizeText(k.Size), fmt.Sprint(k.Depth)}
		for _, name := range writers {
			if c := k.of(name); c != nil {
				row = append(row, text(k, *c))
			} else {
				row = append(row, "-")
			}
		}
		t.add(row...)
	}
	return t
}

// brief is what c costs, in a cell.
func (s costSet) brief(k costKind, c cost.Comparison) string {
	switch {
	case s.target == record.OnNull && c.Noise:
		return "~" + addedText(c, k.raw())
	case s.target == record.OnNull:
		return addedText(c, k.raw())
	case bounded(c):
		return fmt.Sprintf("%s %s-%s", ratioOf(c), ratioText(c.Lo), ratioText(c.Hi))
	}
	return ratioOf(c)
}

// write writes all that was timed of k.
func (k costKind) write(out io.Writer, s costSet) error {
	title := fmt.Sprintf("%s, depth %d, %s, on %s, %s", sizeText(k.Size), k.Depth, s.changing(), s.on(), s.buffers())
	if pages := k.pages(); pages != "" {
		title += " of " + pages + " pages"
	}
	fmt.Fprintf(out, "\n%s\n\n", prove.Wrap(title))
	last, value := "ampl", func(c cost.Comparison) string { return fmt.Sprintf("%.2f", c.Amplification) }
	if s.simulated() { // how long a write takes says more there
		last, value = "ns/write", func(c cost.Comparison) string { return fmt.Sprintf("%.0f", perWrite(c)) }
	}
	t := sheet{heads: 1}
	t.add("", "MB/s", "by raw's", "95% interval", "user", "sys s/GiB", "p50 us", "p99", "p99.9", last, "n", "")
	for i, c := range k.rows {
		if i > 0 && peerLast(c) > peerLast(k.rows[i-1]) {
			t.gap()
		}
		torn := ""
		if c.Torn > 0 {
			torn = fmt.Sprintf("!torn: %d", c.Torn)
		}
		t.add(c.Writer(), fmt.Sprintf("%.0f", c.Throughput/1e6), ratioOf(c), intervalOf(c), fmt.Sprintf("%.2f", c.CPUUser), fmt.Sprintf("%.2f", c.CPUSystem),
			microseconds(c.P50), microseconds(c.P99), microseconds(c.P999), value(c), fmt.Sprint(c.N), torn)
	}
	if err := t.write(out); err != nil {
		return err
	}
	if rest := k.rest(); rest != "" {
		fmt.Fprintln(out, prove.Wrap("  "+rest))
	}
	return nil
}

// microseconds is a dash if nothing was counted.
func microseconds(ns float64) string {
	switch {
	case ns == 0:
		return "-"
	case ns < 100e3:
		return fmt.Sprintf("%.1f", ns/1e3)
	}
	return fmt.Sprintf("%.0f", ns/1e3)
}

// writeCrossovers writes from which share on bouncing is cheaper.
func (p costPlace) writeCrossovers(out io.Writer) error {
	if len(p.crossovers) == 0 {
		return nil
	}
	fmt.Fprint(out, `
Share of changed writes from which on bounce costs less than verify: where the line between none
changed and all reaches 1 (95%: lines between the ends of their intervals), and where lines through
all points do. The points: time of verify by that of bounce in the same round.
`)
	if steps := p.steps(); steps != "" {
		fmt.Fprintln(out, prove.Wrap(steps))
	}
	fmt.Fprintln(out)
	t := sheet{heads: 2}
	t.add("size", "depth", "by the line", "95%", "measured", "share", "verify/bounce", "95%", "line", "n")
	for _, x := range p.crossovers {
		head := []string{sizeText(x.Of.Size), fmt.Sprint(x.Of.Depth), crossing(x.Modeled), crossing(x.Lo) + " to " + crossing(x.Hi), measured(x)}
		for _, p := range x.Points {
			t.add(append(head, percent(p.Share), ratioText(p.Cost), intervalText(p.Lo, p.Hi), ratioText(p.Model), fmt.Sprint(p.N))...)
			head = make([]string, len(head))
		}
	}
	return t.write(out)
}

// measured is a dash where nothing between none and all was: the line is then all
// that there is.
func measured(x cost.Crossover) string {
	if len(x.Points) <= 2 {
		return "-"
	}
	return crossing(x.Measured)
}

// crossing is a share from which on bouncing is cheaper.
func crossing(share float64) string {
	if math.IsInf(share, 1) {
		return "never"
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}
