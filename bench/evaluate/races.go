package evaluate

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

const (
	raceBytes = 1 << 20 // the writes of 2011
	raceSeed  = 2011
)

// rows are the lines of the matrix of strategies and mutators.
var rows = []struct {
	strategy stablewrite.Strategy
	detect   stablewrite.Detection
	in       mutator.Where
	buffered bool
}{
	{strategy: stablewrite.Raw},
	{strategy: stablewrite.Verify},
	{strategy: stablewrite.Verify, detect: stablewrite.BySum},
	{strategy: stablewrite.Verify, detect: stablewrite.ByTracking, in: mutator.Thread}, // the kernel tracks this process
	{strategy: stablewrite.Detect},
	{strategy: stablewrite.Bounce},
	{strategy: stablewrite.Buffered},
	{strategy: stablewrite.Raw, buffered: true},
}

// gated is a race all of whose changes are in flight.
func gated(target *os.File, s stablewrite.Strategy, k mutator.Kind) repro.Config {
	return repro.Config{
		Target: target, Strategy: s, Mutator: k, Gate: true, Hold: repro.DefaultGatedHold, Seed: raceSeed, Size: raceBytes,
	}
}

// races are the matrix, every strategy against every mutator, and the holes.
func (p *Plan) races(target *os.File, quick bool) {
	var all []repro.Config
	for _, row := range rows {
		if row.detect == stablewrite.ByTracking && !p.tracks {
			continue
		}
		for _, k := range mutator.Kinds() {
			cfg := gated(target, row.strategy, k)
			cfg.Detect, cfg.In, cfg.Buffered = row.detect, row.in, row.buffered
			cfg.Writes, cfg.Duration = 100, time.Second
			if quick {
				cfg.Writes, cfg.Duration = 20, 150*time.Millisecond
			}
			all = append(all, cfg)
		}
	}
	p.race("every mutator against every strategy", append(all, p.holes(target, quick)...), millis(quick, 300, 130), judged)
}

// holes are changes that are restored, by how long they are held and by the size of the
// write: they tear writes by verify, and none by tracking.
func (p *Plan) holes(target *os.File, quick bool) (all []repro.Config) {
	for _, size := range []int{4 << 10, 64 << 10, raceBytes} {
		for _, hold := range []time.Duration{0, 10, 30, 100, 300, 1000} {
			cfg := gated(target, stablewrite.Verify, mutator.ABA)
			cfg.Size, cfg.Hold = size, hold*time.Microsecond
			cfg.Writes, cfg.Duration = 200, time.Second
			if quick {
				cfg.Writes, cfg.Duration = 20, 100*time.Millisecond
			}
			if cfg.Size == raceBytes && cfg.Hold == repro.DefaultGatedHold { // one of the matrix
				continue
			}
			if all = append(all, cfg); cfg.Size == raceBytes && p.tracks {
				cfg.Detect, cfg.In = stablewrite.ByTracking, mutator.Thread
				all = append(all, cfg)
			}
		}
	}
	return all
}

// precisions are what detection hits, of every kind of change.
func (p *Plan) precisions(target *os.File, quick bool) {
	var all []repro.Config
	for _, k := range mutator.Kinds() {
		if k == mutator.None {
			continue
		}
		cfg := gated(target, stablewrite.Verify, k)
		cfg.Writes, cfg.Duration = 50, time.Second
		if quick {
			cfg.Writes, cfg.Duration = 10, 100*time.Millisecond
		}
		if all = append(all, cfg); k.SelfSummed() {
			cfg.Detect = stablewrite.BySum
			all = append(all, cfg)
		}
	}
	p.race("which blocks detection hits", all, millis(quick, 400, 100), func(ctx context.Context, cfg repro.Config) (any, error) {
		rec, err := repro.Precision(ctx, cfg)
		return rec, cmp.Or(ctx.Err(), err)
	})
}

// race adds races of a kind, each of about so many milliseconds. Run gives the
// Record of one.
func (p *Plan) race(what string, all []repro.Config, each int, run func(context.Context, repro.Config) (any, error)) {
	p.parts = append(p.parts, part{what, len(all), each, func(ctx context.Context, emit func(any) error, step func()) error {
		for _, cfg := range all {
			if err := ctx.Err(); err != nil {
				return err
			}
			step()
			rec, err := run(ctx, cfg)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				writer := record.Repro{Strategy: cfg.Strategy, Detect: cfg.Detect, Buffered: cfg.Buffered}.Writer()
				return fmt.Errorf("%s against %v: %w", writer, cfg.Mutator, err)
			}
			if err := emit(rec); err != nil {
				return err
			}
		}
		return nil
	}})
}

// judged is one race, for race.
func judged(ctx context.Context, cfg repro.Config) (any, error) { return repro.Run(ctx, cfg, nil) }

// millis is how long a step takes.
func millis(quick bool, full, short int) int {
	if quick {
		return short
	}
	return full
}
