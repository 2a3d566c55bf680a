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

// Plan is an evaluation to be made.
type Plan struct {
	parts  []part
	tracks bool // the kernel does
}

// part is one of the things that an evaluation asks, in so many steps.
type part struct {
	what  string
	steps int
	each  int // about how many milliseconds a step takes
	// run calls step before each.
	run func(ctx context.Context, emit func(any) error, step func()) error
}

// NewPlan plans an evaluation on target, which it overwrites from its start. Quick,
// it takes about half a minute and knows less. Note is told what is missing or
// not as it should be.
func NewPlan(target *os.File, quick bool, note func(string)) Plan {
	var p Plan
	_, err := stablewrite.TrackedBuffer(1)
	if p.tracks = err == nil; !p.tracks {
		note(fmt.Sprintf("there are no races by tracking: %v", err))
	}
	p.races(target, quick)
	p.precisions(target, quick)
	installed, _ := cost.Peers()
	// Of the peers those that differ most: each takes a second to start in each round.
	peers := slices.DeleteFunc(installed, func(v record.Variant) bool { return v != record.FioPsync && v != record.FioUring })
	if len(peers) == 0 && !quick {
		note("fio is not installed: its rows are left out")
	}
	for _, t := range timings(target, quick, peers) {
		t.plan.Note = func(text string) { note(fmt.Sprintf("%s: %s", t.what, text)) }
		p.timing(t)
	}
	return p
}

// Run carries p out. It hands each Record to emit, and calls ended after each part of
// the plan. Progress is told how many milliseconds, as planned, are done, of how many,
// and which part is under way.
func Run(ctx context.Context, p Plan, emit func(any) error, progress func(done, of int, what string), ended func() error) error {
	done, of := 0, 0
	for _, x := range p.parts {
		of += x.steps * x.each
	}
	for _, x := range p.parts {
		began, steps := done, 0
		if err := x.run(ctx, emit, func() {
			progress(began+steps*x.each, of, x.what)
			steps++
		}); err != nil {
			return fmt.Errorf("%s: %w", x.what, err)
		}
		if err := ended(); err != nil {
			return err
		}
		done += x.steps * x.each
	}
	return nil
}

// timed is timings to be made.
type timed struct {
	what string
	plan cost.Plan
}
