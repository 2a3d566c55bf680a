package evaluate

import (
	"fmt"
	"io"
	"text/tabwriter"

	"stablepages/bench/cost"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
)

// WriteReport writes all that an evaluation found, as text of at most 100
// columns.
func WriteReport(out io.Writer, res Results, v Verdict) error {
	if len(res.Races) > 0 {
		sys := res.Races[0].System
		fmt.Fprintf(out, "Linux %s, %s on %s, %d x %s, %s\n\n", sys.Kernel, sys.FileSystem, sys.Device, sys.CPUs, sys.CPU, sys.Go)
	}
	for _, l := range v.Lines {
		fmt.Fprintln(out, l)
	}
	fmt.Fprint(out, "\nTorn writes of writes, every change in flight (* torn, not promised otherwise;\n! a broken promise; r the strategy refused changed writes)\n\n")
	if err := writeMatrix(out, res.Races); err != nil {
		return err
	}
	fmt.Fprint(out, "\nCost with nothing changing, each strategy against raw in the same round (hot buffers)\n\n")
	return writeCosts(out, res.Costs)
}

// writeMatrix writes the races as a table: torn writes of writes, by strategy
// and mutator. A * marks torn writes, a ! those that break a promise, an r
// writes that the strategy refused for a change.
func writeMatrix(out io.Writer, races []record.Repro) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, k := range mutator.Kinds() {
		fmt.Fprintf(t, "\t%v", k)
	}
	var last row
	for i, r := range races {
		if w := rowOf(r); i == 0 || w != last {
			fmt.Fprintf(t, "\t\n%v", w)
			last = w
		}
		mark := ""
		if r.Torn > 0 {
			mark = "*"
			if repro.Promised(r) {
				mark = "!"
			}
		}
		refused := ""
		if r.Refused > 0 {
			refused = "r"
		}
		fmt.Fprintf(t, "\t%s%d/%d%s", mark, r.Torn, r.Writes, refused)
	}
	fmt.Fprintln(t, "\t")
	return t.Flush()
}

// writeCosts writes the timings as a table.
func writeCosts(out io.Writer, recs []record.Cost) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "size\tdepth\tstrategy\tMB/s\tratio to raw\t95% interval\tCPU s/GiB\tp99 us\tn\t")
	size, depth := 0, 0
	for _, c := range cost.Compare(recs) {
		if size != 0 && (c.Size != size || c.Depth != depth) {
			fmt.Fprintln(t, "\t\t\t\t\t\t\t\t\t")
		}
		size, depth = c.Size, c.Depth
		fmt.Fprintf(t, "%dk\t%d\t%v\t%.0f\t%.2f\t%.2f to %.2f\t%.2f\t%.0f\t%d\t\n",
			c.Size>>10, c.Depth, c.Strategy, c.Throughput/1e6, c.Ratio, c.Lo, c.Hi, c.CPU, c.P99/1e3, c.N)
	}
	return t.Flush()
}
