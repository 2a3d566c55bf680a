package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"stablepages/stablewrite"
)

// Exit codes.
const (
	exitClean       = 0
	exitFailed      = 1   // failed, or inconclusive
	exitUsage       = 2   // decided from the arguments alone
	exitTorn        = 3   // repro, bench: torn data; evaluate, prove: a promise was broken
	exitInterrupted = 130 // before the planned end
)

// exit is an error with an exit code. If err is nil nothing is printed.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// usage returns the error of a run with wrong arguments.
func usage(err error) error { return &exit{exitUsage, err} }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// advised adds to an error that a file is not written directly which files are.
func advised(err error) error {
	if errors.Is(err, stablewrite.ErrNotDirect) {
		return fmt.Errorf("%w; name a file on ext4 or xfs, or a block device, and run without a guard", err)
	}
	return err
}

// positional makes the errors of an argument check of cobra usage errors, which say what is
// wanted if that is not "".
func positional(check cobra.PositionalArgs, wanted string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err == nil:
			return nil
		case wanted != "":
			return usagef("%s", wanted)
		}
		return usage(err)
	}
}

// noArguments refuses arguments; instead names the flag to use.
func noArguments(instead string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("unexpected argument %q; %s", args[0], instead)
		}
		return nil
	}
}

// run is the program. An error without an exit code means exitFailed.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitClean
	}
	code := exitFailed
	if e := (*exit)(nil); errors.As(err, &e) {
		code = e.code
	}
	if text := err.Error(); text != "" { // errors of the library begin with the same name
		fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), strings.ReplaceAll(text, "stablewrite: ", ""))
	}
	if code == exitUsage {
		fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	return code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "stablewrite",
		Short: "Writes that stay true when the buffer changes in flight",
		Long: `stablewrite shows what happens when a buffer changes while an O_DIRECT write of
it is in flight, with and without the fix that was proposed in 2011 (checksum
again when the write completes; if it changed, resubmit a private copy), and
what the fix costs.

Exit codes: 0 done and clean; 1 failed, or inconclusive; 2 wrong arguments;
3 torn data (repro, bench), a broken promise (evaluate, prove), a direct write that
changed in flight (watch); 130 interrupted before the planned end. run exits with the
code of the command that it guards.`,
		Example: `  stablewrite evaluate
  stablewrite repro --strategy verify --mutator aba --gate --duration 10s`,
		Args:          positional(cobra.NoArgs, ""),
		SilenceErrors: true, SilenceUsage: true,
	}
	show := root.Flags().Bool("version", false, "print the version, the checksum kernel and the engine")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if !*show {
			return usagef("name a subcommand")
		}
		_, err := io.WriteString(cmd.OutOrStdout(), version())
		return err
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(newEvaluate(), newRepro(), newBench(), newReport(), newProbe(), newProve(), newWatch(), newGuard(), newMan())
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"})
	help.Use, help.Short, help.Long = "help [SUBCOMMAND]", "Help about a subcommand", ""
	help.Args = func(_ *cobra.Command, args []string) error {
		if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
			return usagef("no such subcommand: %s", strings.Join(args, " "))
		}
		return nil
	}
	for _, cmd := range root.Commands() {
		cmd.Flags().SortFlags = false
		completeChoices(cmd)
	}
	return root
}

// interruptible returns a context that ends at the first signal that asks for an end. A
// second signal has its usual effect. A broken pipe makes printing fail, so that scratch
// files are removed.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	return ending(cmd)
}

// ending is interruptible, except that a broken pipe has its usual effect.
func ending(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(cmd.Context(), append(terminations(), os.Interrupt)...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// terminations are the signals besides SIGINT that ask for an end: SIGTERM, and SIGHUP
// unless it is ignored, as under nohup(1). Processes that are started inherit that.
func terminations() []os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return []os.Signal{syscall.SIGTERM}
	}
	return []os.Signal{syscall.SIGTERM, syscall.SIGHUP}
}
