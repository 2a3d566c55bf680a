package report

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/perf/benchfmt"

	"stablepages/bench/cost"
	"stablepages/bench/record"
)

// writeBenchfmt writes a line for each timing, as benchstat reads them: the name holds
// the cell, and benchstat makes its own statistics of the rounds. Races have no
// place in it.
func writeBenchfmt(out io.Writer, res Results) error {
	if len(res.Costs) == 0 {
		return errors.New("there are no timings, and benchfmt has no place for anything else")
	}
	w := benchfmt.NewWriter(out)
	faster := &benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: "B/s", Key: "better"}, OrigUnit: "B/s", Value: "higher"}
	if err := w.Write(faster); err != nil {
		return err
	}
	for _, g := range groups(res) {
		config := benchConfig(g.system)
		for _, r := range g.costs {
			if err := w.Write(benchResult(r, config)); err != nil {
				return err
			}
		}
	}
	return nil
}

func benchConfig(s *record.System) (all []benchfmt.Config) {
	for _, c := range []struct{ key, value string }{
		{"goos", s.OS}, {"goarch", s.Arch}, {"cpu", s.CPU}, {"kernel", s.Kernel}, {"go", s.Go}, {"filesystem", s.FileSystem}, {"device", s.Device},
	} {
		if c.value != "" {
			all = append(all, benchfmt.Config{Key: c.key, Value: []byte(c.value), File: true})
		}
	}
	return all
}

func benchResult(r record.Cost, config []benchfmt.Config) *benchfmt.Result {
	writes := max(1, r.Writes, r.Bytes/int64(r.Size)) // Records of before there was a count have none
	gib := float64(r.Bytes) / (1 << 30)
	target, blocks, steps := string(r.Target), "all", 1
	if inTwoSteps(cost.CellOf(r)) {
		steps = 2
	}
	if r.Target == record.OnDelay {
		target = placeOf(cost.CellOf(r)).on()
	}
	if r.ChangedBlocks > 0 {
		blocks = fmt.Sprint(r.ChangedBlocks)
	}
	res := &benchfmt.Result{
		Config: config,
		Name: fmt.Appendf(nil, "Write/writer=%s/target=%s/memory=%s/size=%s/depth=%d/mutated=%s/steps=%d/blocks=%s",
			word(r.Writer()), word(target), memory(r.Cold), sizeText(r.Size), r.Depth, percent(r.Mutated), steps, blocks),
		Iters: int(writes),
		Values: []benchfmt.Value{
			{Value: r.Seconds / float64(writes), Unit: "sec/op"},
			{Value: float64(r.Bytes) / r.Seconds, Unit: "B/s"},
			{Value: r.CPUUserSeconds / gib, Unit: "user-sec/GiB"},
			{Value: r.CPUSystemSeconds / gib, Unit: "sys-sec/GiB"},
			{Value: r.Amplification, Unit: "amplification"},
		},
	}
	for _, q := range []struct {
		ns    int64
		unit  string
		least int64 // writes: of fewer it is the slowest of a few
	}{{r.P50NS, "p50-sec", 1}, {r.P99NS, "p99-sec", 100}, {r.P999NS, "p999-sec", 1000}} {
		if q.ns > 0 && writes >= q.least {
			res.Values = append(res.Values, benchfmt.Value{Value: float64(q.ns) / 1e9, Unit: q.unit})
		}
	}
	return res
}

// word is a name as a part of that of a benchmark, which ends at white space and
// is parted by slashes.
func word(name string) string {
	name = strings.ReplaceAll(name, ", ", "+")
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '/', '=':
			return '_'
		}
		return r
	}, strings.Join(strings.Fields(name), "_"))
}
