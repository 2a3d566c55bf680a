package cost

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// WriteReport writes what recs mean, as text of at most 100 columns: in a sentence,
// then a table of each kind of write, then crossovers.
func WriteReport(out io.Writer, recs []record.Cost) error {
	all := Compare(recs)
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "nothing was timed")
		return err
	}
	fmt.Fprintf(out, "%s\n\n%s\n", strings.Join(Verdict(all), "\n"), where(recs))
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(c Comparison) bool { return c.base() != all[0].base() })
		if n < 0 {
			n = len(all)
		}
		if err := writeGroup(out, all[:n], backingOfGroup(recs, all[0])); err != nil {
			return err
		}
		all = all[n:]
	}
	fmt.Fprint(out, "\n~ what it differs from raw by is within what raw differs from itself by\n")
	return writeCrossovers(out, Crossovers(recs))
}

// Verdict says in a sentence or two what verify and bounce cost.
func Verdict(all []Comparison) (lines []string) {
	for _, s := range []stablewrite.Strategy{stablewrite.Verify, stablewrite.Bounce, stablewrite.Adaptive} {
		if line := costs(all, s); line != "" {
			lines = append(lines, line)
		}
	}
	var checked, torn int64
	for _, c := range all {
		checked += c.Checked
		torn += c.Torn
	}
	switch {
	case torn > 0:
		lines = append(lines, fmt.Sprintf("TORN: %d of %d writes read back were not what their receipts say", torn, checked))
	case checked > 0:
		lines = append(lines, fmt.Sprintf("%d writes were read back after their buffers changed in flight, and are what their receipts say", checked))
	}
	if len(lines) == 0 {
		return []string{"neither verify nor bounce nor adaptive was timed"}
	}
	return lines
}

// costs is what s costs with nothing changing, and with all, at worst and best.
func costs(all []Comparison, s stablewrite.Strategy) string {
	if all[0].Target == record.OnNull {
		return adds(all, s)
	}
	var parts []string
	for _, x := range []struct {
		share float64
		when  string
	}{{0, "of what raw does with nothing changing"}, {1, "with every write changed in flight"}} {
		var found []Comparison
		for _, c := range all {
			if c.Strategy == s && c.Variant == "" && c.Mutated == x.share && c.Ratio > 0 {
				found = append(found, c)
			}
		}
		if len(found) == 0 {
			continue
		}
		byRatio := func(a, b Comparison) int { return cmp.Compare(a.Ratio, b.Ratio) }
		worst, best := slices.MinFunc(found, byRatio), slices.MaxFunc(found, byRatio)
		text := fmt.Sprintf("%.2f (%s)", worst.Ratio, place(worst.Cell))
		if best.Ratio > worst.Ratio {
			text += fmt.Sprintf(" to %.2f (%s)", best.Ratio, place(best.Cell))
		}
		parts = append(parts, text+" "+x.when)
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%-8v does %s", s, strings.Join(parts, ";\n              "))
}

// adds is by how much s lengthens a write on a device that takes no time, one at a
// time, or as few as were timed.
func adds(all []Comparison, s stablewrite.Strategy) string {
	base := map[Cell]Comparison{}
	for _, c := range all {
		base[c.Cell] = c
	}
	var parts []string
	for _, c := range all {
		if c.Strategy != s || c.Variant != "" || c.Mutated != 0 || c.Depth != all[0].Depth {
			continue
		}
		if raw, ok := base[c.base()]; ok {
			parts = append(parts, fmt.Sprintf("%s %s", kib(c.Size), time.Duration(nsPerWrite(c)-nsPerWrite(raw)).Round(10*time.Nanosecond)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%v adds to a write, depth %d, nothing changing: %s", s, all[0].Depth, strings.Join(parts, ", "))
}

// nsPerWrite is how long a write takes, from its throughput (Little's law).
func nsPerWrite(c Comparison) float64 {
	return float64(c.Depth) * float64(c.Size) / c.Throughput * 1e9
}

func place(c Cell) string { return fmt.Sprintf("%s x %d", kib(c.Size), c.Depth) }

func kib(n int) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%dM", n>>20)
	}
	return fmt.Sprintf("%dk", n>>10)
}

// where is what was written to, and on what.
func where(recs []record.Cost) string {
	r := recs[0]
	s := r.System
	if s == nil {
		s = new(record.System)
	}
	machine := fmt.Sprintf("Linux %s, %d x %s, %s", s.Kernel, s.CPUs, s.CPU, s.Go)
	switch r.Target {
	case record.OnNull:
		return "On null, which takes every write at once\n" + machine
	case record.OnDelay:
		return fmt.Sprintf("On delay: %v and %.0f MB/s\n%s", time.Duration(r.DelayLatencyNS), r.DelayBytesPerSecond/1e6, machine)
	case record.OnDevice:
		return fmt.Sprintf("On the device %s\n%s", s.Device, machine)
	}
	return fmt.Sprintf("On a file on %s on %s\n%s", s.FileSystem, s.Device, machine)
}

func backingOfGroup(recs []record.Cost, c Comparison) string {
	for _, r := range recs {
		if cellOf(r).base() == c.base() && r.Backing != "" {
			return r.Backing
		}
	}
	return ""
}

// writeGroup writes the table of one kind of write.
func writeGroup(out io.Writer, cells []Comparison, backing string) error {
	c := cells[0]
	title := fmt.Sprintf("%s, depth %d, %s", kib(c.Size), c.Depth, changed(c.Cell))
	if c.Cold {
		title += ", cold buffers"
	} else {
		title += ", hot buffers"
	}
	if backing != "" {
		title += ", " + backing + " pages"
	}
	fmt.Fprintf(out, "\n%s\n\n", title)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	last, value := "ampl", func(c Comparison) string { return fmt.Sprintf("%.2f", c.Amplification) }
	if c.Target == record.OnNull { // nothing is amplified there that matters: how long a write takes is
		last, value = "ns/write", func(c Comparison) string {
			return fmt.Sprintf("%.0f", nsPerWrite(c))
		}
	}
	fmt.Fprintf(t, "\tMB/s\tby raw's\t95%% interval\tuser\tsys s/GiB\tp50 us\tp99\tp99.9\t%s\tn\t\n", last)
	for _, c := range cells {
		torn := ""
		if c.Torn > 0 {
			torn = fmt.Sprintf("\ttorn: %d", c.Torn)
		}
		ratio, span := "-", "-"
		if c.Ratio > 0 {
			ratio, span = figure(c.Ratio), interval(c.Lo, c.Hi)
			if c.Noise {
				ratio = "~" + ratio
			}
		}
		fmt.Fprintf(t, "%s\t%.0f\t%s\t%s\t%.2f\t%.2f\t%s\t%s\t%s\t%s\t%d%s\t\n", c.Writer(), c.Throughput/1e6, ratio, span,
			c.CPUUser, c.CPUSystem, microseconds(c.P50), microseconds(c.P99), microseconds(c.P999), value(c), c.N, torn)
	}
	return t.Flush()
}

func changed(c Cell) string {
	if c.Mutated == 0 {
		return "nothing changed"
	}
	text := fmt.Sprintf("%g%% changed in flight", 100*c.Mutated)
	if c.ChangedBlocks > 0 {
		text += fmt.Sprintf(", %d of its 4k blocks", c.ChangedBlocks)
	}
	return text
}

// interval is a dash if there are too few rounds for one.
func interval(lo, hi float64) string {
	if math.IsInf(lo, 0) || math.IsInf(hi, 0) {
		return "-"
	}
	return figure(lo) + " to " + figure(hi)
}

// figure is a ratio, shorter where it is large.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
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
func writeCrossovers(out io.Writer, all []Crossover) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprint(out, `
Share of changed writes from which on bounce costs less than verify: where the line between none
changed and all reaches 1 (95%: lines between the ends of their intervals), and where lines through
all points do. The points: time of verify by that of bounce in the same round.

`)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "size\tdepth\tby the line\t95%\tmeasured\tshare\tverify/bounce\t95%\tline\t")
	for _, x := range all {
		head := fmt.Sprintf("%s\t%d\t%s\t%s to %s\t%s", kib(x.Of.Size), x.Of.Depth, crossing(x.Modeled), crossing(x.Lo), crossing(x.Hi), crossing(x.Measured))
		for _, p := range x.Points {
			fmt.Fprintf(t, "%s\t%g%%\t%s\t%s\t%s\t\n", head, 100*p.Share, figure(p.Cost), interval(p.Lo, p.Hi), figure(p.Model))
			head = "\t\t\t\t"
		}
	}
	return t.Flush()
}

func crossing(share float64) string {
	switch {
	case share == 0:
		return "0%"
	case math.IsInf(share, 1):
		return "never"
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}
