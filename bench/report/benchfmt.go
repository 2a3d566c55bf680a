package report

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/perf/benchfmt"

	"stablepages/bench/findings"
	"stablepages/bench/record"
)

// writeBenchfmt writes a line for each timing and for each program that was watched or
// guarded, for benchstat. The name of a timing holds its key, and benchstat makes its own
// statistics of the rounds. The format has no place for races.
func writeBenchfmt(out io.Writer, f findings.Findings) error {
	res := f.Results
	if len(res.Costs)+len(res.Watches)+len(res.Guards) == 0 {
		return errors.New("there are no timings and no programs: benchfmt has no place for other Records")
	}
	w := benchfmt.NewWriter(out)
	faster := &benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: "B/s", Key: "better"}, OrigUnit: "B/s", Value: "higher"}
	if err := w.Write(faster); err != nil {
		return err
	}
	var all []*benchfmt.Result
	for _, on := range f.On {
		config := benchConfig(on.System)
		for _, r := range on.Timings {
			all = append(all, benchResult(r, config))
		}
	}
	for _, r := range res.Watches {
		if r.Writes > 0 {
			all = append(all, &benchfmt.Result{
				Config: benchConfig(r.System), Iters: int(r.Writes),
				Name:   fmt.Appendf(nil, "Watch/program=%s/memory=%s/device=%s", word(r.Comm), word(string(r.Memory)), word(r.Device)),
				Values: []benchfmt.Value{{Value: float64(r.Changed) / float64(r.Writes), Unit: "changed/op"}},
			})
		}
	}
	for _, r := range res.Guards {
		all = append(all, &benchfmt.Result{
			Config: benchConfig(r.System), Iters: 1,
			Name:   fmt.Appendf(nil, "Guard/program=%s/file=%s", word(r.Comm), word(r.File)),
			Values: []benchfmt.Value{{Value: float64(r.Opens), Unit: "opens"}, {Value: float64(r.Cleared), Unit: "cleared"}, {Value: float64(r.Refused), Unit: "refused"}},
		})
	}
	for _, r := range all {
		if err := w.Write(r); err != nil {
			return err
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
	writes := max(1, r.Writes, r.Bytes/int64(r.Size)) // old Records have no Writes
	gib := float64(r.Bytes) / (1 << 30)
	key, target, blocks := r.Key(), string(r.Target), "all"
	if r.Target == record.OnDelay {
		target = key.On()
	}
	if r.ChangedBlocks > 0 {
		blocks = fmt.Sprint(r.ChangedBlocks)
	}
	res := &benchfmt.Result{
		Config: config,
		Name: fmt.Appendf(nil, "Write/writer=%s/target=%s/memory=%s/size=%s/depth=%d/mutated=%s/steps=%d/blocks=%s",
			word(r.Writer()), word(target), key.Memory(), findings.Size(r.Size), r.Depth, findings.Percent(r.Mutated), key.Steps(), blocks),
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
		least int64 // writes: of fewer the quantile is the slowest write
	}{{r.P50NS, "p50-sec", 1}, {r.P99NS, "p99-sec", 100}, {r.P999NS, "p999-sec", 1000}} {
		if q.ns > 0 && writes >= q.least {
			res.Values = append(res.Values, benchfmt.Value{Value: float64(q.ns) / 1e9, Unit: q.unit})
		}
	}
	return res
}

// word makes name fit for a part of a benchmark's name, which ends at white space and
// has slashes between its parts.
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
