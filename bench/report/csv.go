package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"stablepages/bench/record"
	"stablepages/bench/repro"
)

// csvColumns are those of every line: what does not apply is empty. Units are in
// the names.
var csvColumns = []string{
	"kind", "system", "kernel", "victim", "scenario", "writer", "mutator", "gate", "in", "target", "memory", "backing",
	"size_bytes", "depth", "hold_ns", "mutated_share",
	"writes", "overlapped", "changed", "resubmitted", "refused", "write_errors", "read_errors", "diverged", "torn", "promised",
	"blocks", "torn_blocks", "resubmitted_blocks", "both_blocks",
	"rounds", "bytes_per_second", "ratio", "ratio_lo", "ratio_hi", "noise", "cpu_user_s_per_gib", "cpu_system_s_per_gib",
	"p50_ns", "p99_ns", "p999_ns", "amplification", "pool_peak_bytes",
}

// line is one of a CSV file, by column.
type line map[string]string

// CSV writes what the tables show, a line for each cell of them: races, timings
// over all rounds, precision, and what happened inside other kernels.
func CSV(out io.Writer, res Results) error {
	w := csv.NewWriter(out)
	w.Write(csvColumns)
	put := func(l line) {
		fields := make([]string, len(csvColumns))
		for i, name := range csvColumns {
			fields[i] = l[name]
		}
		w.Write(fields)
	}
	for _, g := range groups(res) {
		for _, r := range g.races {
			put(raceCSV(r))
		}
		for _, t := range costTables(g.costs) {
			for _, c := range t.rows {
				put(costCSV(t, c, g.system))
			}
		}
		for _, r := range g.precisions {
			put(precisionCSV(r))
		}
	}
	for _, r := range res.Proofs {
		l := raceCSV(r.Repro)
		l["victim"], l["scenario"], l["kernel"], l["diverged"] = r.Victim, r.Scenario, r.Kernel, strconv.Itoa(r.Diverged)
		put(l)
	}
	w.Flush()
	return w.Error()
}

func raceCSV(r record.Repro) line {
	return line{
		"kind": r.Kind, "system": describe(r.System), "kernel": r.System.Kernel,
		"writer": r.Writer(), "mutator": r.Mutator.String(), "gate": strconv.FormatBool(r.Gate), "in": r.In.String(),
		"size_bytes": strconv.Itoa(r.Size), "hold_ns": strconv.FormatInt(r.HoldNS, 10),
		"writes": strconv.Itoa(r.Writes), "overlapped": strconv.Itoa(r.Overlapped), "changed": strconv.Itoa(r.Changed),
		"resubmitted": strconv.Itoa(r.Resubmitted), "refused": strconv.Itoa(r.Refused),
		"write_errors": strconv.Itoa(r.WriteErrors), "read_errors": strconv.Itoa(r.ReadErrors),
		"torn": strconv.Itoa(r.Torn), "promised": strconv.FormatBool(repro.Promised(r)),
	}
}

func costCSV(t costTable, c costRow, s *record.System) line {
	l := line{
		"kind": record.KindCost, "system": describe(s), "kernel": s.Kernel,
		"writer": c.Writer(), "target": string(c.Target), "memory": "hot", "backing": t.backing,
		"size_bytes": strconv.Itoa(c.Size), "depth": strconv.Itoa(c.Depth), "mutated_share": float(c.Mutated),
		"rounds": strconv.Itoa(c.N), "bytes_per_second": float(c.Throughput),
		"cpu_user_s_per_gib": float(c.CPUUser), "cpu_system_s_per_gib": float(c.CPUSystem),
		"p50_ns": float(c.P50), "p99_ns": float(c.P99), "p999_ns": float(c.P999),
		"amplification": float(c.Amplification), "pool_peak_bytes": strconv.Itoa(c.PoolPeak),
	}
	if c.Cold {
		l["memory"] = "cold"
	}
	if c.Ratio > 0 {
		l["ratio"] = float(c.Ratio)
	}
	if c.bounded() {
		l["ratio_lo"], l["ratio_hi"] = float(c.Lo), float(c.Hi)
	}
	if c.again != nil {
		l["noise"] = strconv.FormatBool(c.noise())
	}
	return l
}

func precisionCSV(r record.Precision) line {
	return line{
		"kind": r.Kind, "system": describe(r.System), "kernel": r.System.Kernel,
		"writer": record.Repro{Strategy: r.Strategy, Detect: r.Detect}.Writer(), "mutator": r.Mutator.String(), "gate": "true",
		"size_bytes": strconv.Itoa(r.Size), "hold_ns": strconv.FormatInt(r.HoldNS, 10), "writes": strconv.Itoa(r.Writes),
		"blocks": strconv.Itoa(r.Blocks), "torn_blocks": strconv.Itoa(r.Torn),
		"resubmitted_blocks": strconv.Itoa(r.Resubmitted), "both_blocks": strconv.Itoa(r.Both),
	}
}

// float has as many digits as a timing can mean.
func float(v float64) string { return fmt.Sprintf("%.6g", v) }
