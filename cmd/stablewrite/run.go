package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitClean       = 0
	exitFailed      = 1   // failed, or inconclusive
	exitUsage       = 2   // decided from the arguments alone
	exitTorn        = 3   // repro: torn data; evaluate: a promise was broken
	exitInterrupted = 130 // before the planned end
)

// exit is an error with a code of its own. Err may be nil: all was said.
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

func failed(err error) error { return &exit{exitFailed, err} }

func usage(format string, args ...any) error { return fmt.Errorf(format, args...) }

// run is the program. Errors that are no *exit come from the arguments.
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
	var e *exit
	if !errors.As(err, &e) {
		fmt.Fprintf(stderr, "%s: %v\nRun '%s --help' for usage.\n", cmd.CommandPath(), err, cmd.CommandPath())
		return exitUsage
	}
	if e.err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", cmd.CommandPath(), e.err)
	}
	return e.code
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
3 torn data (repro), a broken promise (evaluate); 130 interrupted before the
planned end.`,
		Example: `  stablewrite evaluate
  stablewrite repro --strategy verify --mutator aba --gate --duration 10s`,
		Args:          cobra.NoArgs,
		RunE:          func(*cobra.Command, []string) error { return usage("name a subcommand") },
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(newEvaluate(), newRepro(), newProbe())
	return root
}

// interruptible ends the context at the first signal that asks for an end. The
// second one has its usual effect.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
