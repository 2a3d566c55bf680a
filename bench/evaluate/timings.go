package evaluate

import (
	"context"
	"os"
	"time"

	"stablepages/bench/cost"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// rounds is how many it takes for an interval of 95% that leaves out the slowest and
// the fastest of them.
const rounds = 9

// timings are what is timed: at rest and changed, hot and cold, beside other
// programs, for the crossover, and on what takes no disk.
func timings(target *os.File, quick bool, installed []record.Variant) []timed {
	strategies := []stablewrite.Strategy{
		stablewrite.Raw, stablewrite.Verify, stablewrite.Detect, stablewrite.Bounce, stablewrite.Buffered,
	}
	crossing := []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Bounce}
	again := []record.Variant{record.Again}
	if quick {
		return []timed{
			{"cost on a file", cost.Plan{
				Target: target, Strategies: strategies, Variants: again, Sizes: []int{64 << 10, 1 << 20}, Depths: []int{1}, Rounds: 6, Time: 10 * time.Millisecond,
			}},
			{"cost on a file", cost.Plan{
				Target: target, Strategies: strategies, Variants: again, Sizes: []int{64 << 10, 1 << 20}, Depths: []int{4},
				Mutated: []float64{0, 1}, Rounds: 6, Time: 10 * time.Millisecond,
			}},
			{"cost of the software", cost.Plan{
				On: record.OnNull, Strategies: strategies, Variants: again, Sizes: []int{4 << 10, 1 << 20}, Depths: []int{1}, Rounds: 6, Time: 5 * time.Millisecond,
			}},
		}
	}
	return []timed{
		// What is in one table is timed in one plan: the rounds of two are not the same.
		{"cost on a file, beside other programs", cost.Plan{
			Target: target, Strategies: strategies, Variants: append(cost.Variants(), installed...), Sizes: []int{4 << 10, 64 << 10, 1 << 20}, Depths: []int{1, 16},
			Mutated: []float64{0, 1}, Rounds: rounds, Time: 200 * time.Millisecond,
		}},
		{"cost on a file", cost.Plan{
			Target: target, Strategies: strategies, Variants: append(cost.Variants(), record.Tracked), Sizes: []int{4 << 10, 64 << 10, 1 << 20}, Depths: []int{4},
			Mutated: []float64{0, 1}, Rounds: rounds, Time: 200 * time.Millisecond,
		}},
		{"where bounce gets cheaper than verify", cost.Plan{
			Target: target, Strategies: crossing, Variants: again, Sizes: []int{64 << 10, 1 << 20}, Depths: []int{4},
			Mutated: []float64{0.01, 0.1, 0.5}, Rounds: rounds, Time: 200 * time.Millisecond,
		}},
		{"cost from cold memory", cost.Plan{
			Target: target, Strategies: strategies, Variants: []record.Variant{record.Again, record.Copied, record.Tracked}, Sizes: []int{64 << 10, 1 << 20}, Depths: []int{1}, Cold: true,
			Rounds: rounds, Time: 200 * time.Millisecond,
		}},
		{"cost of the software", cost.Plan{
			On: record.OnNull, Strategies: strategies, Variants: again, Sizes: []int{4 << 10, 64 << 10, 1 << 20}, Depths: []int{1},
			Mutated: []float64{0, 1}, Rounds: rounds, Time: 50 * time.Millisecond,
		}},
		{"cost on a delay, which is no disk", cost.Plan{
			On: record.OnDelay, Strategies: crossing, Variants: again, Sizes: []int{64 << 10, 1 << 20}, Depths: []int{1, 16},
			Rounds: rounds, Time: 200 * time.Millisecond,
		}},
	}
}

func (p *Plan) timing(t timed) {
	p.parts = append(p.parts, part{t.what, t.plan.Cells(), int(t.plan.Time.Milliseconds())*11/10 + 15, func(ctx context.Context, emit func(any) error, step func()) error {
		return cost.Run(ctx, t.plan, step, func(rec record.Cost) error { return emit(rec) })
	}})
}
