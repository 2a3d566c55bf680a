package evaluate

import (
	"context"
	"fmt"
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

// timings plans the timings: at rest, beside other programs; changed; from cold memory;
// and on targets that need no disk. The cells of a table are in one part, so that they are
// timed in the same rounds.
func timings(target *os.File, quick bool, peers []record.Variant, note func(string)) []part {
	strategies := []stablewrite.Strategy{
		stablewrite.Raw, stablewrite.Verify, stablewrite.Detect, stablewrite.Bounce, stablewrite.Buffered,
	}
	crossing := []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Bounce}
	again := []record.Variant{record.Again}
	const small, middle, large = 4 << 10, 64 << 10, 1 << 20
	timed := func(what string, p cost.Plan) part {
		p.Rounds, p.Time = rounds, cellTime
		if quick {
			p.Rounds, p.Time = 6, 10*time.Millisecond
		}
		switch p.On {
		case "":
			p.Target = target
		case record.OnNull:
			p.Time /= 2
		}
		p.Note = func(text string) { note(fmt.Sprintf("%s: %s", what, text)) }
		each := int(p.Time.Milliseconds())*11/10 + 15
		return part{what, p.Cells(), each, func(ctx context.Context, emit func(any) error, step func()) error {
			return cost.Run(ctx, p, step, func(rec record.Cost) error { return emit(rec) })
		}}
	}
	software := timed("cost of the software", cost.Plan{
		On: record.OnNull, Strategies: strategies, Variants: again, Sizes: []int{small, large}, Depths: []int{1},
	})
	if quick {
		onFile := cost.Plan{Strategies: strategies, Variants: again, Sizes: []int{middle, large}, Depths: []int{1}}
		changed := onFile
		changed.Depths, changed.Mutated = []int{4}, []float64{0, 1}
		return []part{timed("cost on a file", onFile), timed("cost on a file", changed), software}
	}
	beside := []record.Variant{
		record.Again, record.Huge, record.Copied, record.Dontcache, record.Unsummed, record.Tracked,
	}
	return []part{
		timed("cost on a file, beside other programs", cost.Plan{
			Strategies: strategies, Variants: append(beside, peers...),
			Sizes: []int{small, middle, large}, Depths: []int{1, 16},
		}),
		timed("cost of changes", cost.Plan{
			Strategies: crossing, Variants: again, Sizes: []int{middle, large}, Depths: []int{16},
			Mutated: []float64{0, 0.01, 0.1, 0.5, 1},
		}),
		timed("cost from cold memory", cost.Plan{
			Strategies: strategies, Variants: []record.Variant{record.Again, record.Copied, record.Tracked},
			Sizes: []int{middle, large}, Depths: []int{1}, Cold: true,
		}),
		software,
		timed("cost on a simulated delay", cost.Plan{
			On: record.OnDelay, Strategies: crossing, Variants: again, Sizes: []int{large}, Depths: []int{1, 16},
		}),
	}
}
