package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"stablepages/bench/report"
)

type reportFlags struct {
	format, out string
	force       bool
}

func newReport() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report RESULTS...",
		Short: "Show Records that the other subcommands wrote, as tables or figures",
		Long: `report reads Records, as evaluate and prove write them to results.jsonl and as
every subcommand prints them with --json, and shows what they say: verdicts,
tables and figures. RESULTS are files, - is standard input; several are added
up, but races and timings of different systems never are, and a Record that comes
twice counts once.

A last line that is cut short, as an interrupted run leaves it, is left out with
a warning. Anything else that is no Record is an error, and nothing is shown.

report only reads: it exits with 0 even if the Records say that a promise was
broken. Its verdict then begins with that.

Formats:
` + formatChoices(),
		Example: `  stablewrite report stablewrite-20260102T150405.000Z/results.jsonl
  stablewrite report --format html -o report.html results.jsonl
  stablewrite report --format cost.svg -o cost.svg results.jsonl
  stablewrite repro --mutator storm --writes 1000 --json | stablewrite report -
  stablewrite report --format benchfmt results.jsonl >cost.txt; benchstat -col /writer cost.txt`,
		Args: positional(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.format, "format", "text", "one of these: a `format`")
	fl.StringVarP(&f.out, "out", "o", "", "write to `FILE`, which must not exist (default standard output)")
	fl.BoolVar(&f.force, "force", false, "replace FILE")
	return cmd
}

// formatChoices lists the values of --format.
func formatChoices() string {
	var b strings.Builder
	for _, f := range report.Formats() {
		fmt.Fprintf(&b, "  %-10s %s\n", f.Name, f.About)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (f *reportFlags) run(cmd *cobra.Command, names []string) error {
	format, err := report.FormatNamed(f.format)
	if err != nil {
		return usage(err)
	}
	var to *output
	if f.out != "" {
		if to, err = newOutput(f.out, f.force, names); err != nil {
			return err
		}
	}
	var found report.Results
	for _, name := range names {
		warnings, err := readRecords(&found, name, cmd.InOrStdin())
		for _, w := range warnings {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: warning: %s\n", cmd.CommandPath(), w)
		}
		if err != nil {
			return err
		}
	}
	// All of it before a byte is written: an error leaves no half of a report.
	var b bytes.Buffer
	if err := format.Write(&b, found); err != nil {
		return err
	}
	if to != nil {
		ctx, stop := interruptible(cmd)
		defer stop()
		return to.write(ctx, b.Bytes())
	}
	text := b.Bytes()
	if f.format == "text" && colored(cmd.OutOrStdout()) {
		text = []byte(report.Color(b.String()))
	}
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

func readRecords(found *report.Results, name string, stdin io.Reader) (warnings []string, err error) {
	if name == "-" {
		return found.Read("standard input", stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name a file of Records in it", name)
	}
	return found.Read(name, f)
}
