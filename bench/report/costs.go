package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"stablepages/bench/cost"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// place is where timings were made.
type place struct {
	target    record.Target
	latency   time.Duration // of OnDelay
	bandwidth float64
	cold      bool
}

func placeOf(c cost.Cell) place {
	return place{c.Target, time.Duration(c.DelayLatencyNS), c.DelayBytesPerSecond, c.Cold}
}

// simulated reports whether there is no disk.
func (p place) simulated() bool { return p.target == record.OnNull || p.target == record.OnDelay }

// on names the target.
func (p place) on() string {
	switch p.target {
	case record.OnFile:
		return "a file"
	case record.OnDevice:
		return "the block device"
	case record.OnNull:
		return "null, which takes every write at once"
	case record.OnDelay:
		return fmt.Sprintf("delay (%v, %.0f MB/s)", p.latency, p.bandwidth/1e6)
	}
	return string(p.target)
}

func (p place) buffers() string { return memory(p.cold) + " buffers" }

// costSet is timings that differ by writer, size and depth only.
type costSet struct {
	costWay
	kinds []costKind
}

// costWay is where timings were made, and how the writes went.
type costWay struct {
	place
	mutated  float64
	twoSteps bool // though nothing changes between them
	blocks   int  // of 4 KiB, that each of these writes is changed in; 0: all
}

func wayOf(c cost.Cell) costWay { return costWay{placeOf(c), c.Mutated, c.TwoSteps, c.ChangedBlocks} }

// costKind is timings that differ by writer only: what is held against raw, and
// raw. Other programs come last.
type costKind struct {
	cost.Cell // the kind; Strategy and Variant mean nothing
	rows      []cost.Comparison
}

// costSets parts the timings of one system.
func costSets(recs []record.Cost) (all []costSet) {
	at := map[costWay]int{}
	for _, c := range cost.Compare(recs) {
		i, ok := at[wayOf(c.Cell)]
		if !ok {
			i, at[wayOf(c.Cell)] = len(all), len(all)
			all = append(all, costSet{costWay: wayOf(c.Cell)})
		}
		s := &all[i]
		if n := len(s.kinds); n == 0 || s.kinds[n-1].Cell != c.Base() {
			s.kinds = append(s.kinds, costKind{Cell: c.Base()})
		}
		last := &s.kinds[len(s.kinds)-1]
		last.rows = append(last.rows, c)
	}
	for _, s := range all {
		for _, k := range s.kinds {
			slices.SortStableFunc(k.rows, func(a, b cost.Comparison) int { return peerLast(a) - peerLast(b) })
		}
	}
	slices.SortStableFunc(all, func(a, b costSet) int { // where nothing is said Compare's order stays
		return cmp.Or(a.rank()-b.rank(), cmp.Compare(a.latency, b.latency), cmp.Compare(a.bandwidth, b.bandwidth),
			cmp.Compare(a.mutated, b.mutated), compareBool(a.twoSteps, b.twoSteps), a.blocks-b.blocks)
	})
	return all
}

// compareBool puts what is so last.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// rank orders places: what has a disk below first, hot before cold.
func (p place) rank() int {
	rank := 2 * slices.Index([]record.Target{record.OnFile, record.OnDevice, record.OnDelay, record.OnNull}, p.target)
	if p.cold {
		rank++
	}
	return rank
}

// pages are those that k is written from, but by who asks for others; "" if that is
// not known, or not the same.
func (k costKind) pages() string {
	all := map[string]bool{}
	pages := ""
	for _, c := range k.rows {
		if !c.Variant.Peer() && c.Variant != record.Huge {
			all[c.Backing], pages = true, c.Backing
		}
	}
	if len(all) > 1 {
		return ""
	}
	return pages
}

func peerLast(c cost.Comparison) int {
	if c.Variant.Peer() {
		return 1
	}
	return 0
}

// again is the interval of raw against raw, in k; ok is false if that was not timed.
func (k costKind) again() (lo, hi float64, ok bool) {
	c := k.rows[0]
	return c.AgainLo, c.AgainHi, c.AgainHi > 0 && !math.IsInf(c.AgainHi, 0)
}

// where is "a file, hot buffers of 4k pages".
func (s costSet) where() string {
	text := s.on() + ", " + s.buffers()
	pages := s.kinds[0].pages()
	if slices.ContainsFunc(s.kinds, func(k costKind) bool { return k.pages() != pages }) {
		pages = ""
	}
	if pages != "" {
		text += " of " + pages + " pages"
	}
	return text
}

// resting reports whether nothing changes and writes are as users have them.
func (s costSet) resting() bool { return s.mutated == 0 && !s.twoSteps }

// inTwoSteps reports whether writes of c are submitted and reaped apart.
func inTwoSteps(c cost.Cell) bool { return c.TwoSteps || c.Mutated > 0 && !placeOf(c).simulated() }

// changing is "nothing changing", "10% of writes changed in flight".
func (s costSet) changing() string {
	switch {
	case s.resting():
		return "nothing changing"
	case s.mutated == 0:
		return "nothing changing, in two steps"
	}
	text := percent(s.mutated) + " of writes changed in flight"
	if s.blocks > 0 {
		text += fmt.Sprintf(", in %d of their 4k blocks", s.blocks)
	}
	return text
}

// has reports whether a row of s is so.
func (s costSet) has(so func(cost.Comparison) bool) bool {
	return slices.ContainsFunc(s.kinds, func(k costKind) bool { return slices.ContainsFunc(k.rows, so) })
}

func isNoise(c cost.Comparison) bool { return c.Noise }

// isTimed reports whether it is known how long single writes took.
func isTimed(c cost.Comparison) bool { return c.P50 > 0 }

// bounded reports whether there were enough rounds for an interval.
func bounded(c cost.Comparison) bool {
	return c.Ratio > 0 && !math.IsInf(c.Lo, 0) && !math.IsInf(c.Hi, 0)
}

// isRaw reports whether c is what the others are held against.
func isRaw(c cost.Comparison) bool { return c.Cell == c.Base() }

// raw is what the others of k are held against, or nil.
func (k costKind) raw() *cost.Comparison {
	if i := slices.IndexFunc(k.rows, isRaw); i >= 0 {
		return &k.rows[i]
	}
	return nil
}

// of is the row of a writer, or nil.
func (k costKind) of(writer string) *cost.Comparison {
	i := slices.IndexFunc(k.rows, func(c cost.Comparison) bool { return c.Writer() == writer })
	if i < 0 {
		return nil
	}
	return &k.rows[i]
}

// perWrite is how many ns a write takes, from the throughput (Little's law).
func perWrite(c cost.Comparison) float64 {
	return float64(c.Depth) * float64(c.Size) / c.Throughput * 1e9
}

// added is how many ns c takes more for a write than raw does, at least one; ok is
// false if that is not known, or it takes no more.
func added(c cost.Comparison, raw *cost.Comparison) (ns float64, ok bool) {
	if raw == nil {
		return 0, false
	}
	ns = perWrite(c) - perWrite(*raw)
	return ns, ns >= 1
}

// addedTime is "+120 ns": what is added to a write.
func addedTime(c cost.Comparison, raw *cost.Comparison) string {
	ns, ok := added(c, raw)
	switch {
	case ok:
		return "+" + nanoseconds(ns)
	case raw == nil:
		return "-"
	}
	return "none"
}

// addedText is "+120 ns, 34.1 GB/s": what is added to a write, and how fast that
// goes over its bytes.
func addedText(c cost.Comparison, raw *cost.Comparison) string {
	text := addedTime(c, raw)
	if ns, ok := added(c, raw); ok {
		text += fmt.Sprintf(", %s GB/s", digits(float64(c.Size)/ns))
	}
	return text
}

// ratioOf marks what may be noise.
func ratioOf(c cost.Comparison) string {
	switch {
	case c.Ratio == 0:
		return "-"
	case c.Noise:
		return "~" + ratioText(c.Ratio)
	}
	return ratioText(c.Ratio)
}

func intervalOf(c cost.Comparison) string {
	if c.Ratio == 0 {
		return "-"
	}
	return intervalText(c.Lo, c.Hi)
}

// intervalText is a dash if there were too few rounds for one.
func intervalText(lo, hi float64) string {
	if math.IsInf(lo, 0) || math.IsInf(hi, 0) {
		return "-"
	}
	return ratioText(lo) + " to " + ratioText(hi)
}

// ratioText is shorter where it is large.
func ratioText(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// cellName is "64k, depth 4".
func cellName(c cost.Cell) string { return fmt.Sprintf("%s, depth %d", sizeText(c.Size), c.Depth) }

func sizeText(bytes int) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%dM", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%dk", bytes>>10)
	}
	return fmt.Sprint(bytes)
}

// percent is a share as "0.1%", "50%".
func percent(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", 100*share), "0"), ".") + "%"
}

// strategies are the writers of s as users have them, but raw, in order of
// appearance.
func (s costSet) strategies() []string {
	return s.writers(func(c cost.Comparison) bool { return c.Variant == "" && c.Strategy != stablewrite.Raw })
}

// writers are those of s that are so, in order of appearance.
func (s costSet) writers(so func(cost.Comparison) bool) (names []string) {
	for _, k := range s.kinds {
		for _, c := range k.rows {
			if name := c.Writer(); so(c) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
