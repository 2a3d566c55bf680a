package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"stablepages/bench/cost"
	"stablepages/bench/record"
	"stablepages/bench/repro"
)

// csvColumns are those of every line: what does not apply is empty. Units are in
// the names.
var csvColumns = []string{
	"kind", "system", "kernel", "victim", "scenario", "writer", "mutator", "gate", "in", "target", "delay_latency_ns", "delay_bytes_per_second", "memory", "backing",
	"size_bytes", "depth", "hold_ns", "mutated_share", "two_steps", "changed_blocks",
	"writes", "overlapped", "changed", "resubmitted", "refused", "write_errors", "read_errors", "diverged", "checked", "torn", "promised",
	"blocks", "torn_blocks", "resubmitted_blocks", "both_blocks",
	"rounds", "bytes_per_second", "ratio", "ratio_lo", "ratio_hi", "raw_again_lo", "raw_again_hi", "noise", "cpu_user_s_per_gib", "cpu_system_s_per_gib",
	"p50_ns", "p99_ns", "p999_ns", "amplification", "pool_peak_bytes", "private", "engine", "extents", "written",
}

// line is one of a CSV file, by column.
type line map[string]string

// writeCSV writes what the tables show, a line for each cell of them: races, timings
// over all rounds, precision, and what happened inside other kernels.
func writeCSV(out io.Writer, res Results) error {
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
		for _, s := range costSets(g.costs) {
			for _, k := range s.kinds {
				for _, c := range k.rows {
					put(costCSV(k, c, g.system))
				}
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
		"torn": strconv.Itoa(r.Torn), "promised": strconv.FormatBool(repro.Promised(r)), "written": r.Written.String(),
	}
}

func costCSV(k costKind, c cost.Comparison, s *record.System) line {
	l := line{
		"kind": record.KindCost, "system": describe(s), "kernel": s.Kernel,
		"writer": c.Writer(), "target": string(c.Target), "memory": memory(c.Cold), "backing": c.Backing,
		"size_bytes": strconv.Itoa(c.Size), "depth": strconv.Itoa(c.Depth), "mutated_share": float(c.Mutated), "two_steps": strconv.FormatBool(inTwoSteps(c.Cell)),
		"rounds": strconv.Itoa(c.N), "bytes_per_second": float(c.Throughput),
		"cpu_user_s_per_gib": float(c.CPUUser), "cpu_system_s_per_gib": float(c.CPUSystem),
		"amplification": float(c.Amplification), "pool_peak_bytes": strconv.Itoa(c.PoolPeak),
		"private": c.Private, "engine": c.Engine, "written": c.Written.String(),
	}
	for name, ns := range map[string]float64{"p50_ns": c.P50, "p99_ns": c.P99, "p999_ns": c.P999} {
		if ns > 0 { // else there were too few writes
			l[name] = float(ns)
		}
	}
	if c.Target == record.OnDelay {
		l["delay_latency_ns"], l["delay_bytes_per_second"] = strconv.FormatInt(c.DelayLatencyNS, 10), float(c.DelayBytesPerSecond)
	}
	if c.Extents > 0 {
		l["extents"] = strconv.Itoa(c.Extents)
	}
	if c.Mutated > 0 {
		l["changed_blocks"] = "all"
		if c.ChangedBlocks > 0 {
			l["changed_blocks"] = strconv.Itoa(c.ChangedBlocks)
		}
	}
	if c.Checked > 0 {
		l["checked"], l["torn"] = strconv.FormatInt(c.Checked, 10), strconv.FormatInt(c.Torn, 10)
	}
	if c.Ratio > 0 {
		l["ratio"] = float(c.Ratio)
	}
	if bounded(c) {
		l["ratio_lo"], l["ratio_hi"] = float(c.Lo), float(c.Hi)
	}
	if lo, hi, ok := k.again(); ok {
		l["raw_again_lo"], l["raw_again_hi"], l["noise"] = float(lo), float(hi), strconv.FormatBool(c.Noise)
	}
	return l
}

// memory is what the writers' buffers were.
func memory(cold bool) string {
	if cold {
		return "cold"
	}
	return "hot"
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
