package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stablepages/bench/findings"
	"stablepages/bench/record"
	"stablepages/bench/report"
	"stablepages/bench/watch"
)

type watchFlags struct {
	o        watch.Options
	duration time.Duration
	json     bool
}

func newWatch() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch [flags] [-- COMMAND [ARGS]]",
		Short: "Find the programs here that change pages while they are written",
		Long: `watch looks at every direct write on this machine, from any program and by any call
(write, libaio, io_uring, a virtual machine). It sums the pages when the write is
queued for a device and again when the write completes. It shows which programs
change pages in flight, where, how often, which layer below needs stable pages, and
what to do. It changes no program, file or device.

It runs until SIGINT, for --duration, or, with COMMAND, until COMMAND ends. With
COMMAND it looks only at COMMAND and the processes that COMMAND starts; standard
output is COMMAND's, and results go to standard error.

It does not see changes before a write is queued (as during a file system's
checksum), changes that are restored before the write completes, and writes to NFS
and FUSE. If 0 of n writes changed, the rate is below 3/n; that does not acquit a
program. Writes that it should have looked at and missed are counted; with such
writes there is no verdict of 0. go doc stablepages/bench/watch has the rest.

It needs root, Linux 6.1 or later on amd64, and BTF.

Exit codes: 0 it looked at direct writes, missed none, and none changed; 3 a direct
write changed in flight; 1 failed, or inconclusive: no direct writes, or some were
missed; 2 wrong arguments; 130 interrupted before the planned end.`,
		Example: `  stablewrite watch
  stablewrite watch --comm mariadbd --sample 16 --duration 10m
  stablewrite watch --stack -- fio --direct=1 job.fio
  stablewrite watch --duration 1h --json >seen.jsonl; stablewrite report seen.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd, args); err != nil {
				return usage(err)
			}
			return f.run(cmd, args)
		},
	}
	fl := cmd.Flags()
	fl.SetInterspersed(false) // flags after COMMAND belong to COMMAND
	fl.IntVar(&f.o.PID, "pid", 0, "look only at process `P`, and the processes that it starts from now on")
	fl.StringVar(&f.o.Comm, "comm", "", "look only at programs with the name `C`, as ps shows it")
	fl.StringArrayVar(&f.o.Devices, "dev", nil, "look only at writes to block device `D` and to devices on it; may be repeated")
	fl.BoolVar(&f.o.All, "all", false, "also look at swap, the page cache and metadata, whose changes do no harm")
	fl.IntVar(&f.o.Sample, "sample", 1, "look at one of `N` writes, at random")
	fl.IntVar(&f.o.MaxBlocks, "max-blocks", watch.MostBlocks, "look at this many 4 KiB blocks of a write, from a random block on")
	fl.DurationVar(&f.duration, "duration", 0, "end after this time, such as 10m (0: no end; not with COMMAND)")
	fl.BoolVar(&f.o.Stacks, "stack", false, "show the stack that submitted a changed write")
	fl.BoolVar(&f.json, "json", false, "print Records instead of text")
	return cmd
}

// check refuses arguments that make no sense.
func (f *watchFlags) check(cmd *cobra.Command, args []string) error {
	f.o.Children = len(args) > 0
	switch {
	case f.duration < 0:
		return errors.New("--duration must not be negative")
	case f.o.Sample == 0, f.o.MaxBlocks == 0: // for Options they are defaults
		return fmt.Errorf("--sample must be 1 or more, and --max-blocks from 1 to %d", watch.MostBlocks)
	case cmd.Flags().Changed("pid") && f.o.PID < 1:
		return errors.New("--pid must be 1 or more")
	case f.o.Children && f.o.PID != 0:
		return errors.New("--pid and COMMAND are two processes: give one of them")
	case f.o.Children && f.duration != 0:
		return errors.New("--duration and COMMAND: watch ends with COMMAND, so use timeout(1) on COMMAND")
	}
	return f.o.Validate()
}

func (f *watchFlags) run(cmd *cobra.Command, args []string) error {
	begin := interruptible
	if f.o.Children {
		begin = ending // COMMAND inherits ignored signals
	}
	ctx, stop := begin(cmd)
	defer stop()
	out, shown := cmd.OutOrStdout(), newStatus(cmd.ErrOrStderr())
	if f.o.Children {
		out, shown.f = cmd.ErrOrStderr(), nil // the terminal is COMMAND's
	}
	f.o.OnChanged = func(r record.Watch) { shown.print(fmt.Sprintf("%s: %s", cmd.CommandPath(), watch.Line(r))) }
	w, err := watch.Start(f.o)
	if err != nil {
		return err
	}
	defer w.Close()
	failed, err := f.wait(ctx, cmd, args, func() error { return f.show(shown, w) })
	shown.clear()
	if err != nil {
		return err
	}
	interrupted := ctx.Err() != nil && (f.duration != 0 || f.o.Children)
	all, err := w.Stop()
	if err != nil {
		return err
	}
	for i := range all {
		all[i].Interrupted = interrupted
	}
	if err := printWatch(out, all, f.json); err != nil {
		return err
	}
	switch outcome, _ := watch.Judge(all); {
	case interrupted:
		return &exit{code: exitInterrupted}
	case outcome == watch.Changed:
		return &exit{exitTorn, failed}
	case outcome == watch.Inconclusive:
		return &exit{exitFailed, failed}
	}
	return failed
}

func printWatch(out io.Writer, all []record.Watch, json bool) (err error) {
	var found record.Results
	for _, r := range all {
		found.Add(r)
		if json && err == nil {
			err = record.Write(out, r)
		}
	}
	if !json {
		err = report.Text(out, findings.Of(found))
	}
	return err
}

// show shows on a terminal as much of the results so far as it has rows for. Reading the
// Records also makes w keep the names of devices, which may go.
func (f *watchFlags) show(shown *status, w *watch.Watcher) error {
	all, err := w.Records()
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := printWatch(&text, all, false); err != nil {
		return err
	}
	lines := strings.SplitAfter(text.String(), "\n")
	_, rows := shown.size()
	shown.show("%s", strings.Join(lines[:min(len(lines), max(rows-2, 0))], ""))
	return nil
}

// wait waits for the end, and calls renew each second. failed says how COMMAND failed.
func (f *watchFlags) wait(ctx context.Context, cmd *cobra.Command, args []string, renew func() error) (failed, err error) {
	ended, forward := make(chan error, 1), make(chan os.Signal, 1)
	var c *exec.Cmd
	if f.o.Children {
		c = exec.Command(args[0], args[1:]...)
		c.Stdin, c.Stdout, c.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		// SIGINT comes from a terminal, which sends it to COMMAND itself.
		signal.Notify(forward, terminations()...)
		defer signal.Stop(forward)
		if err := c.Start(); err != nil {
			if cause := errors.Unwrap(err); cause != nil {
				err = cause // without "fork/exec" and the name
			}
			return nil, fmt.Errorf("%s cannot be started: %w; check the name, or give its path", args[0], err)
		}
		go func() { ended <- c.Wait() }()
	}
	var planned <-chan time.Time
	if f.duration > 0 {
		planned = time.After(f.duration)
	}
	interrupt := ctx.Done()
	for ticker := time.NewTicker(time.Second); ; {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("%s ended with %w", args[0], err), nil
			}
			return nil, nil
		case <-planned:
			return nil, nil
		case s := <-forward:
			c.Process.Signal(s)
		case <-interrupt:
			if interrupt = nil; !f.o.Children { // COMMAND may take its time
				return nil, nil
			}
		case <-ticker.C:
			if err := renew(); err != nil {
				return nil, err
			}
		}
	}
}
