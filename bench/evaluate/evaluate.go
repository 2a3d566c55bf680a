package evaluate

import (
	"context"
	"fmt"
	"os"
	"time"

	"stablepages/bench/cost"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// Plan is an evaluation to be made.
type Plan struct {
	races []repro.Config
	costs cost.Plan
}

const raceBytes = 1 << 20 // the writes of 2011

// NewPlan plans an evaluation on target, which it overwrites from its start:
// about a minute, or quick, about fifteen seconds.
func NewPlan(target *os.File, quick bool) Plan {
	writes, limit := 100, time.Second
	p := Plan{costs: cost.Plan{
		Target:     target,
		Strategies: []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Bounce, stablewrite.Adaptive, stablewrite.Buffered},
		Sizes:      []int{64 << 10, 1 << 20}, Depths: []int{1, 4},
		Rounds: 9, Time: 150 * time.Millisecond,
	}}
	if quick {
		writes, limit = 20, 200*time.Millisecond
		p.costs.Rounds, p.costs.Time = 6, 30*time.Millisecond
	}
	for _, row := range rows {
		for _, k := range mutator.Kinds() {
			p.races = append(p.races, repro.Config{
				Target: target, Strategy: row.strategy, Detect: row.detect, Buffered: row.buffered,
				Mutator: k, Gate: true, Hold: repro.DefaultGatedHold, Seed: 2011, Size: raceBytes,
				Writes: writes, Duration: limit,
			})
		}
	}
	return p
}

// row is one line of the matrix of strategies and mutators.
type row struct {
	strategy stablewrite.Strategy
	detect   stablewrite.Detection
	buffered bool
}

var rows = []row{
	{strategy: stablewrite.Raw},
	{strategy: stablewrite.Verify},
	{strategy: stablewrite.Verify, detect: stablewrite.BySum},
	{strategy: stablewrite.Detect},
	{strategy: stablewrite.Bounce},
	{strategy: stablewrite.Adaptive},
	{strategy: stablewrite.Buffered},
	{strategy: stablewrite.Raw, buffered: true},
}

func (w row) String() string {
	return record.Repro{Strategy: w.strategy, Detect: w.detect, Buffered: w.buffered}.Writer()
}

// Run carries p out. Each Record goes to emit as soon as there is one; progress
// is told what is under way.
func Run(ctx context.Context, p Plan, emit func(any) error, progress func(done, of int, what string)) error {
	done, of := 0, len(p.races)+p.costs.Cells()
	for _, cfg := range p.races {
		if err := ctx.Err(); err != nil {
			return err
		}
		w := row{cfg.Strategy, cfg.Detect, cfg.Buffered}
		progress(done, of, fmt.Sprintf("%v against %v", w, cfg.Mutator))
		rec, err := repro.Run(ctx, cfg, nil)
		if err != nil {
			return fmt.Errorf("%v against %v: %w", w, cfg.Mutator, err)
		}
		if rec.Interrupted {
			return ctx.Err()
		}
		done++
		if err := emit(rec); err != nil {
			return err
		}
	}
	step := func() {
		progress(done, of, "timing the strategies")
		done++
	}
	return cost.Run(ctx, p.costs, step, func(rec record.Cost) error { return emit(rec) })
}
