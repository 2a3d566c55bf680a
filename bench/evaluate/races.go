package evaluate

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

const (
	raceBytes = 1 << 20 // as in 2011
	raceSeed  = 2011
)

// rows are the writers of the matrix of strategies and mutators.
var rows = []repro.Config{
	{Strategy: stablewrite.Raw},
	{Strategy: stablewrite.Verify},
	{Strategy: stablewrite.Verify, Detect: stablewrite.BySum},
	byTracking,
	{Strategy: stablewrite.Detect},
	{Strategy: stablewrite.Bounce},
	{Strategy: stablewrite.Buffered},
	{Strategy: stablewrite.Raw, Buffered: true},
}

// byTracking has its mutator in this process, which the kernel tracks.
var byTracking = repro.Config{Strategy: stablewrite.Verify, Detect: stablewrite.ByTracking, In: mutator.Thread}

// effort bounds a race by a number of writes and a time.
type effort struct {
	writes int
	most   time.Duration
}

// gated completes cfg to a race whose changes are all in flight.
func gated(cfg repro.Config, k mutator.Kind, e effort) repro.Config {
	cfg.Mutator, cfg.Writes, cfg.Duration = k, e.writes, e.most
	cfg.Gate, cfg.Hold, cfg.Seed, cfg.Size = true, repro.DefaultGatedHold, raceSeed, raceBytes
	return cfg
}

// races plans the races.
func races(target *os.File, quick, tracks bool) []part {
	matrix, hole, precise := effort{100, time.Second}, effort{200, time.Second}, effort{50, time.Second}
	raceTime, preciseTime := 300, 400 // ms
	if quick {
		matrix, hole, precise = effort{20, 150 * time.Millisecond}, effort{20, 100 * time.Millisecond}, effort{10, 100 * time.Millisecond}
		raceTime, preciseTime = 130, 100
	}
	var torn, hit []repro.Config
	for _, row := range rows {
		for _, k := range mutator.Kinds() {
			torn = append(torn, gated(row, k, matrix))
		}
	}
	torn = slices.DeleteFunc(append(torn, holes(hole)...), func(cfg repro.Config) bool {
		return cfg.Detect == stablewrite.ByTracking && !tracks
	})
	for _, k := range mutator.Kinds() {
		if k == mutator.None {
			continue
		}
		hit = append(hit, gated(repro.Config{Strategy: stablewrite.Verify}, k, precise))
		if k.SelfSummed() {
			hit = append(hit, gated(repro.Config{Strategy: stablewrite.Verify, Detect: stablewrite.BySum}, k, precise))
		}
	}
	return []part{
		race("every mutator against every strategy", target, torn, raceTime, func(ctx context.Context, cfg repro.Config) (any, error) {
			return repro.Run(ctx, cfg, nil)
		}),
		race("which blocks detection hits", target, hit, preciseTime, func(ctx context.Context, cfg repro.Config) (any, error) {
			return repro.Precision(ctx, cfg)
		}),
	}
}

// holes are races with restored changes, by size and by how long a change is held. They
// tear writes by verify, and none by tracking.
func holes(e effort) (all []repro.Config) {
	for _, size := range []int{4 << 10, 64 << 10, raceBytes} {
		for _, us := range []time.Duration{0, 10, 30, 100, 300, 1000} {
			cfg := gated(repro.Config{Strategy: stablewrite.Verify}, mutator.ABA, e)
			cfg.Size, cfg.Hold = size, us*time.Microsecond
			if size == raceBytes && cfg.Hold == repro.DefaultGatedHold {
				continue // in the matrix
			}
			if all = append(all, cfg); size == raceBytes {
				cfg.Detect, cfg.In = byTracking.Detect, byTracking.In
				all = append(all, cfg)
			}
		}
	}
	return all
}

// race makes a part of races. run runs one of them and returns its Record.
func race(what string, target *os.File, all []repro.Config, each int, run func(context.Context, repro.Config) (any, error)) part {
	return part{what, len(all), each, func(ctx context.Context, emit func(any) error, step func()) error {
		for _, cfg := range all {
			step()
			cfg.Target = target
			rec, err := run(ctx, cfg)
			if ctx.Err() != nil {
				return ctx.Err()
			} else if err != nil {
				writer := record.Repro{Strategy: cfg.Strategy, Detect: cfg.Detect, Buffered: cfg.Buffered}.Writer()
				return fmt.Errorf("%s against %v: %w", writer, cfg.Mutator, err)
			}
			if err := emit(rec); err != nil {
				return err
			}
		}
		return nil
	}}
}
