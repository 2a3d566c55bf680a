package evaluate

import (
	"context"
	"os"
	"time"

	"stablepages/bench/cost"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Cells differ more from each other than the writes within a cell, so many short cells
// tell more than few long ones. The 95% interval leaves out the two fastest and the two
// slowest of these rounds.
const (
	rounds   = 12
	cellTime = 100 * time.Millisecond
)

// timing is a part that times a Plan.
type timing struct {
	what string
	plan cost.Plan
}

func (t timing) part() part {
	each := int(t.plan.Time.Milliseconds())*11/10 + 15
	return part{t.what, t.plan.Cells(), each, func(ctx context.Context, emit func(any) error, step func()) error {
		return cost.Run(ctx, t.plan, step, func(rec record.Cost) error { return emit(rec) })
	}}
}

// timings lists the timings: at rest, beside other programs; changed; from cold memory;
// and on targets that need no disk. The cells of a table are in one Plan, so that they are
// timed in the same rounds.
func timings(target *os.File, quick bool, peers []record.Variant) []timing {
	strategies := []stablewrite.Strategy{
		stablewrite.Raw, stablewrite.Verify, stablewrite.Detect, stablewrite.Bounce, stablewrite.Buffered,
	}
	crossing := []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Bounce}
	again := []record.Variant{record.Again}
	small, middle, large := 4<<10, 64<<10, 1<<20
	if quick {
		const rounds, cellTime = 6, 10 * time.Millisecond
		return []timing{
			{"cost on a file", cost.Plan{
				Target: target, Strategies: strategies, Variants: again, Sizes: []int{middle, large}, Depths: []int{1},
				Rounds: rounds, Time: cellTime,
			}},
			{"cost on a file", cost.Plan{
				Target: target, Strategies: strategies, Variants: again, Sizes: []int{middle, large}, Depths: []int{4},
				Mutated: []float64{0, 1}, Rounds: rounds, Time: cellTime,
			}},
			{"cost of the software", cost.Plan{
				On: record.OnNull, Strategies: strategies, Variants: again, Sizes: []int{small, large}, Depths: []int{1},
				Rounds: rounds, Time: cellTime / 2,
			}},
		}
	}
	beside := []record.Variant{
		record.Again, record.Huge, record.Copied, record.Dontcache, record.Unsummed, record.Tracked,
	}
	return []timing{
		{"cost on a file, beside other programs", cost.Plan{
			Target: target, Strategies: strategies, Variants: append(beside, peers...),
			Sizes: []int{small, middle, large}, Depths: []int{1, 16}, Rounds: rounds, Time: cellTime,
		}},
		{"cost of changes", cost.Plan{
			Target: target, Strategies: crossing, Variants: again, Sizes: []int{middle, large}, Depths: []int{16},
			Mutated: []float64{0, 0.01, 0.1, 0.5, 1}, Rounds: rounds, Time: cellTime,
		}},
		{"cost from cold memory", cost.Plan{
			Target: target, Strategies: strategies, Variants: []record.Variant{record.Again, record.Copied, record.Tracked},
			Sizes: []int{middle, large}, Depths: []int{1}, Cold: true, Rounds: rounds, Time: cellTime,
		}},
		{"cost of the software", cost.Plan{
			On: record.OnNull, Strategies: strategies, Variants: again, Sizes: []int{small, large}, Depths: []int{1},
			Rounds: rounds, Time: cellTime / 2,
		}},
		{"cost on a simulated delay", cost.Plan{
			On: record.OnDelay, Strategies: crossing, Variants: again, Sizes: []int{large}, Depths: []int{1, 16},
			Rounds: rounds, Time: cellTime,
		}},
	}
}
