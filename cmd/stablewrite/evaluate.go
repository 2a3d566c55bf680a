package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stablepages/bench/evaluate"
	"stablepages/bench/record"
	"stablepages/bench/scratch"
)

const resultsName = "results.jsonl"

type evaluateFlags struct {
	dir, out           string
	quick, force, json bool
	madeOut            bool // out did not exist before
}

func newEvaluate() *cobra.Command {
	var f evaluateFlags
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Does the fix hold, and what does it cost: the whole evaluation",
		Long: `evaluate races every mutator against every strategy on a real file, changing the
buffer while it is in flight, and then times the strategies against plain
direct writes, interleaved, with nothing changing. It takes about a minute.

The scratch file, 64 MiB, has no name and is gone when the program ends, however
that comes about. The Records go to results.jsonl in a new directory.`,
		Example: `  stablewrite evaluate
  stablewrite evaluate --quick --dir /mnt/scratch --out /tmp/results`,
		Args: cobra.NoArgs,
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
	target, err := scratch.Temporary(f.dir)
	if err != nil {
		return failed(err)
	}
	defer target.Close()
	results, err := f.create()
	if err != nil {
		return failed(err)
	}
	ctx, stop := interruptible(cmd)
	defer stop()

	out := cmd.OutOrStdout()
	line := newStatus(cmd.ErrOrStderr())
	began := time.Now()
	res, err := evaluate.Run(ctx, evaluate.NewPlan(target.File, f.quick), func(rec any) error {
		if f.json {
			if err := record.Write(out, rec); err != nil {
				return err
			}
		}
		return record.Write(results, rec)
	}, func(done, of int, what string) {
		left := "?"
		if elapsed := time.Since(began); done > 0 {
			left = (elapsed * time.Duration(of-done) / time.Duration(done)).Round(time.Second).String()
		}
		line.show("%d%%, %s left: %s", 100*done/of, left, what)
	})
	line.clear()
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	return f.conclude(out, res, results.Name(), err)
}

// create makes the file of results, in a directory of its own unless told
// otherwise.
func (f *evaluateFlags) create() (*os.File, error) {
	if f.out == "" {
		f.out = "stablewrite-" + time.Now().UTC().Format("20060102T150405Z")
	}
	err := os.Mkdir(f.out, 0o777)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%w: name another directory with --out", err)
	}
	f.madeOut = err == nil
	flag := os.O_EXCL
	if f.force {
		flag = os.O_TRUNC
	}
	file, err := os.OpenFile(filepath.Join(f.out, resultsName), os.O_WRONLY|os.O_CREATE|flag, 0o666)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%w: name another directory with --out, or use --force", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: name another directory with --out", err)
	}
	return file, nil
}

// conclude says what was found and chooses the exit code. Of an evaluation that
// failed before its first Record nothing is left.
func (f *evaluateFlags) conclude(out io.Writer, res evaluate.Results, name string, err error) error {
	if err != nil && len(res.Races) == 0 {
		os.Remove(name)
		if f.madeOut {
			os.Remove(f.out)
		}
	}
	if errors.Is(err, context.Canceled) {
		return &exit{exitInterrupted, fmt.Errorf("interrupted; what was found so far is in %s", name)}
	}
	if err != nil {
		return failed(err)
	}
	v := evaluate.Judge(res.Races)
	if !f.json {
		if err := report(out, res, v, name); err != nil {
			return failed(err)
		}
	}
	switch {
	case len(v.Broken) > 0:
		return &exit{exitTorn, fmt.Errorf("a promise was broken:\n  %s", strings.Join(v.Broken, "\n  "))}
	case len(v.Inconclusive) > 0:
		return failed(fmt.Errorf("inconclusive:\n  %s", strings.Join(v.Inconclusive, "\n  ")))
	}
	return nil
}

func report(out io.Writer, res evaluate.Results, v evaluate.Verdict, name string) error {
	sys := res.Races[0].System
	fmt.Fprintf(out, "Linux %s, %s on %s, %d x %s\n\n", sys.Kernel, sys.FileSystem, sys.Device, sys.CPUs, sys.CPU)
	for _, l := range v.Lines {
		fmt.Fprintln(out, l)
	}
	fmt.Fprintln(out, "\nTorn writes of writes, every change in flight (* torn, not promised otherwise;\n! a broken promise; r the strategy refused changed writes)")
	if err := evaluate.WriteMatrix(out, res.Races); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nCost with nothing changing, each strategy against raw in the same round (hot buffers)")
	if err := evaluate.WriteCosts(out, res.Costs); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nRecords: %s\n", name)
	return err
}
