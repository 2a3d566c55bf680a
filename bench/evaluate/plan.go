package evaluate

import (
	"context"
	"fmt"
	"os"
	"slices"

	"stablepages/bench/cost"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Plan is an evaluation in parts.
type Plan struct{ parts []part }

// part is a table or a figure of the evaluation, in so many steps.
type part struct {
	what  string
	steps int
	each  int // milliseconds that a step takes, about
	// run calls step before each step, and emit with each Record.
	run func(ctx context.Context, emit func(any) error, step func()) error
}

// NewPlan plans an evaluation on target, which Run overwrites from its start. A quick one
// takes about half a minute, with fewer writes and wider intervals. NewPlan and Run call
// note with a text about anything missing or unexpected.
func NewPlan(target *os.File, quick bool, note func(string)) Plan {
	_, err := stablewrite.TrackedBuffer(1)
	if err != nil {
		note(fmt.Sprintf("there are no races by tracking: %v", err))
	}
	installed, _ := cost.Peers()
	// The peers that differ most: each takes a second to start in each round.
	peers := slices.DeleteFunc(installed, func(v record.Variant) bool { return v != record.FioPsync && v != record.FioUring })
	if len(peers) == 0 && !quick {
		note("fio is not installed: its rows are left out")
	}
	return Plan{append(races(target, quick, err == nil), timings(target, quick, peers, note)...)}
}

// Run runs p. It calls emit with each Record, ended after each part, and progress before
// each step, with the planned milliseconds that are done and the name of the part.
func Run(ctx context.Context, p Plan, emit func(any) error, progress func(done, total int, what string), ended func() error) error {
	done, total := 0, 0
	for _, x := range p.parts {
		total += x.steps * x.each
	}
	for _, x := range p.parts {
		at := done
		done += x.steps * x.each
		err := x.run(ctx, emit, func() {
			progress(at, total, x.what)
			at += x.each
		})
		if err != nil {
			return fmt.Errorf("%s: %w", x.what, err)
		}
		if err := ended(); err != nil {
			return err
		}
	}
	return nil
}
