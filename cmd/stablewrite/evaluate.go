package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"stablepages/bench/evaluate"
	"stablepages/bench/findings"
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
		Long: `evaluate answers three questions on a real file. Does the fix hold? Every mutator
races every strategy, and makes each change while the write is in flight. Where does
it fail? Changes are restored after a time, from short to long, and the blocks that
detection resubmits are compared with the blocks that were torn. What does it cost?
Every strategy is timed beside plain direct writes: from hot and from cold memory,
beside fio if it is installed, without a disk, and with a share of writes changed,
which shows from which share on bounce is cheaper than verify. The first table comes
within a minute and shows whether the fix holds; the costs follow, one after the
other. The whole run takes about six minutes.

The proposal of 2011 is the strategy verify. It is the default of the library because
it is under test here. For real use choose bounce, as the verdict of a run says: it
copies every write first, so no change reaches a write, not even a change that is
restored or a write that a crash ends early. Choose verify only if memory is scarce, no
change is restored, and a crash may leave torn blocks.

The scratch file of 64 MiB has no name (if the file system supports that) and is gone
when the program ends, even if it is killed. Results go to results.jsonl, one JSON
object (a Record) a line, and to report.html, in a new directory.`,
		Example: `  stablewrite evaluate
  stablewrite evaluate --quick --dir /mnt/scratch --out /tmp/results`,
		Args: noArguments("--dir names the directory to evaluate"),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", ".", "`directory` of the scratch file: its file system is evaluated")
	fl.StringVar(&f.out, "out", "", "`directory` for results.jsonl and report.html (default stablewrite-DATE, new)")
	fl.BoolVar(&f.quick, "quick", false, "take about half a minute, with fewer writes and wider intervals")
	fl.BoolVar(&f.force, "force", false, "overwrite existing results")
	fl.BoolVar(&f.json, "json", false, "print the Records instead of tables")
	return cmd
}

func (f *evaluateFlags) run(cmd *cobra.Command) error {
	res, err := newResults(cmd, f.out, f.force, f.json, pageName)
	if err != nil {
		return err
	}
	target, err := scratch.Temporary(f.dir)
	if err != nil {
		return err
	}
	defer target.Close()
	ctx, stop := interruptible(cmd)
	defer stop()

	plan := evaluate.NewPlan(target, f.quick, res.note)
	line := newBar(cmd.ErrOrStderr())
	var shown findings.Findings
	show := func(out io.Writer, now findings.Findings) error {
		err := report.News(out, shown, now)
		shown = now
		return err
	}
	err = evaluate.Run(ctx, plan, res.write, line.show, func() error {
		if f.json {
			return nil
		}
		line.clear()
		return show(cmd.OutOrStdout(), findings.Of(res.found))
	})
	line.clear()
	switch {
	case errors.Is(err, stablewrite.ErrNotDirect):
		err = fmt.Errorf("nothing can be torn in %s: %w; name a directory on ext4 or xfs with --dir; stablewrite probe says more", f.dir, err)
	case err == nil:
		err = res.writePage()
	}
	return res.end(cmd, func(out io.Writer, all findings.Findings) error {
		if err := show(out, all); err != nil {
			return err
		}
		return report.Answers(out, all)
	}, nil, err)
}

// pageName is the file of the report, beside the Records.
const pageName = "report.html"

// writePage writes the report. A signal does not stop it: the measurements are complete.
func (r *results) writePage() error {
	var b bytes.Buffer
	if err := report.HTML(&b, findings.Of(r.found)); err != nil {
		return err
	}
	r.page = r.in(pageName)
	return (&output{name: r.page, force: r.force}).write(context.Background(), b.Bytes())
}
