package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stablepages/bench/evaluate"
	"stablepages/bench/report"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

type evaluateFlags struct {
	dir, out           string
	quick, force, json bool
}

func newEvaluate() *cobra.Command {
	var f evaluateFlags
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Does the fix hold, and what does it cost: the whole evaluation",
		Long: `evaluate races every mutator against every strategy on a real file, changing the
buffer while it is in flight, and then times the strategies against plain
direct writes, interleaved, with nothing changing. It takes about a minute.

The scratch file, 64 MiB, has no name (where the file system can make such
files) and is gone when the program ends, however that comes about. Results go
to results.jsonl in a new directory, one JSON object (a Record) a line.`,
		Example: `  stablewrite evaluate
  stablewrite evaluate --quick --dir /mnt/scratch --out /tmp/results`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.dir, "dir", ".", "`directory` of the scratch file: what is evaluated")
	fl.StringVar(&f.out, "out", "", "`directory` for results.jsonl (default stablewrite-DATE, new)")
	fl.BoolVar(&f.quick, "quick", false, "take about fifteen seconds, and know less")
	fl.BoolVar(&f.force, "force", false, "overwrite an existing results.jsonl")
	fl.BoolVar(&f.json, "json", false, "print the Records instead of tables")
	return cmd
}

func (f *evaluateFlags) run(cmd *cobra.Command) error {
	res := newResults(f.out, f.force, echo(cmd, f.json))
	if err := res.check(); err != nil {
		return err
	}
	target, err := scratch.Temporary(f.dir)
	if err != nil {
		return err
	}
	defer target.Close()
	ctx, stop := interruptible(cmd)
	defer stop()

	out := cmd.OutOrStdout()
	line := newStatus(cmd.ErrOrStderr())
	var found report.Results
	err = evaluate.Run(ctx, evaluate.NewPlan(target, f.quick), func(rec any) error {
		found.Add(rec)
		return res.write(rec)
	}, showProgress(line))
	line.clear()
	err = errors.Join(err, res.close())
	switch {
	case errors.Is(err, context.Canceled):
		return interrupted(ctx, err, res)
	case errors.Is(err, stablewrite.ErrNotDirect):
		return fmt.Errorf("%w; name a directory on ext4 or xfs with --dir", err)
	case err != nil:
		return err
	}
	v := report.Judge(found)
	if !f.json {
		err := report.Text(out, found)
		if err == nil {
			_, err = fmt.Fprintf(out, "\nRecords: %s\n", res.name())
		}
		if err != nil {
			return err
		}
	}
	return judged(v.Broken, nil, v.Inconclusive)
}

func showProgress(line *status) func(done, of int, what string) {
	began := time.Now()
	return func(done, of int, what string) {
		left := "?"
		if elapsed := time.Since(began); done > 0 {
			left = (elapsed * time.Duration(of-done) / time.Duration(done)).Round(time.Second).String()
		}
		line.show("%d%%, %s left: %s", 100*done/max(1, of), left, what)
	}
}
