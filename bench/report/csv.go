package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"stablepages/bench/findings"
	"stablepages/bench/record"
	"stablepages/bench/repro"
)

// csvColumns are the columns of every line. A field that does not apply is empty. Names
// include units.
var csvColumns = []string{
	"kind", "system", "kernel", "victim", "scenario", "writer", "mutator", "gate", "in", "target", "delay_latency_ns", "delay_bytes_per_second", "memory", "backing",
	"size_bytes", "depth", "hold_ns", "mutated_share", "two_steps", "changed_blocks",
	"writes", "overlapped", "changed", "resubmitted", "refused", "write_errors", "read_errors", "diverged", "checked", "torn", "promised",
	"blocks", "torn_blocks", "resubmitted_blocks", "both_blocks",
	"rounds", "bytes_per_second", "ratio", "ratio_lo", "ratio_hi", "raw_again_lo", "raw_again_hi", "noise", "cpu_user_s_per_gib", "cpu_system_s_per_gib",
	"p50_ns", "p99_ns", "p999_ns", "amplification", "pool_peak_bytes", "private", "engine", "extents", "written",
	"program", "pid", "device", "file", "sample", "bios", "untraced", "opens", "cleared", "seconds",
}

// line is a line of a CSV file, by column.
type line map[string]any

// writeCSV writes a line for each race, timing (summarized over its rounds), measurement
// of precision, Record of a proof, and program that was watched or guarded.
func writeCSV(out io.Writer, f findings.Findings) error {
	w := csv.NewWriter(out)
	w.Write(csvColumns)
	put := func(l line, kind string, s *record.System) {
		l["kind"], l["system"] = kind, s
		if l["kernel"] == nil {
			l["kernel"] = s.Kernel
		}
		fields := make([]string, len(csvColumns))
		for i, name := range csvColumns {
			switch v := l[name].(type) {
			case nil:
			case float64: // a timing means no more digits
				fields[i] = strconv.FormatFloat(v, 'g', 6, 64)
			default:
				fields[i] = fmt.Sprint(v)
			}
		}
		w.Write(fields)
	}
	for _, on := range f.On {
		for _, r := range on.Races {
			put(raceCSV(r), r.Kind, r.System)
		}
		for _, k := range on.Kinds() {
			for _, c := range k.Rows {
				put(costCSV(c), record.KindCost, on.System)
			}
		}
		for _, r := range on.Precisions {
			put(line{
				"writer": record.Repro{Strategy: r.Strategy, Detect: r.Detect}.Writer(), "mutator": r.Mutator, "gate": true, "size_bytes": r.Size, "hold_ns": r.HoldNS,
				"writes": r.Writes, "blocks": r.Blocks, "torn_blocks": r.Torn, "resubmitted_blocks": r.Resubmitted, "both_blocks": r.Both,
			}, r.Kind, r.System)
		}
	}
	for _, r := range f.Results.Proofs {
		l := raceCSV(r.Repro)
		l["victim"], l["scenario"], l["kernel"], l["diverged"], l["program"] = r.Victim, r.Scenario, r.Kernel, r.Diverged, r.Program
		put(l, r.Kind, r.System)
	}
	for _, r := range f.Results.Guards {
		put(line{"program": r.Comm, "pid": r.PID, "file": r.File, "opens": r.Opens, "cleared": r.Cleared, "refused": r.Refused, "seconds": r.Seconds}, r.Kind, r.System)
	}
	for _, r := range f.Results.Watches {
		put(line{
			"program": r.Comm, "pid": r.PID, "memory": r.Memory, "device": r.Device, "file": r.File, "writes": r.Writes, "changed": r.Changed, "blocks": r.Blocks,
			"changed_blocks": r.BlocksChanged, "sample": r.Sample, "bios": r.Bios, "untraced": r.Untraced, "seconds": r.Seconds,
		}, r.Kind, r.System)
	}
	w.Flush()
	return w.Error()
}

func raceCSV(r record.Repro) line {
	return line{
		"writer": r.Writer(), "mutator": r.Mutator, "gate": r.Gate, "in": r.In, "size_bytes": r.Size, "hold_ns": r.HoldNS,
		"writes": r.Writes, "overlapped": r.Overlapped, "changed": r.Changed, "resubmitted": r.Resubmitted, "refused": r.Refused,
		"write_errors": r.WriteErrors, "read_errors": r.ReadErrors, "torn": r.Torn, "promised": repro.Promised(r), "written": r.Written,
	}
}

func costCSV(c findings.Comparison) line {
	l := line{
		"writer": c.Writer(), "target": c.Target, "memory": c.Memory(), "backing": c.Backing, "size_bytes": c.Size, "depth": c.Depth,
		"mutated_share": c.Mutated, "two_steps": c.Steps() == 2, "rounds": c.N, "bytes_per_second": c.Throughput,
		"cpu_user_s_per_gib": c.CPUUser, "cpu_system_s_per_gib": c.CPUSystem, "amplification": c.Amplification, "pool_peak_bytes": c.PoolPeak,
		"private": c.Private, "engine": c.Engine, "written": c.Written,
	}
	for name, v := range map[string]float64{"p50_ns": c.P50, "p99_ns": c.P99, "p999_ns": c.P999, "ratio": c.Ratio} {
		if v > 0 { // 0: too few writes, or no raw ones
			l[name] = v
		}
	}
	if c.Target == record.OnDelay {
		l["delay_latency_ns"], l["delay_bytes_per_second"] = c.DelayLatencyNS, c.DelayBytesPerSecond
	}
	if c.Extents > 0 {
		l["extents"] = c.Extents
	}
	if c.Mutated > 0 {
		l["changed_blocks"] = "all"
		if c.ChangedBlocks > 0 {
			l["changed_blocks"] = c.ChangedBlocks
		}
	}
	if c.Checked > 0 {
		l["checked"], l["torn"] = c.Checked, c.Torn
	}
	if c.Bounded() {
		l["ratio_lo"], l["ratio_hi"] = c.Lo, c.Hi
	}
	if c.AgainHi > 0 && !math.IsInf(c.AgainHi, 0) {
		l["raw_again_lo"], l["raw_again_hi"], l["noise"] = c.AgainLo, c.AgainHi, c.Noise
	}
	return l
}
