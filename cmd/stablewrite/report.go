package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"stablepages/bench/findings"
	"stablepages/bench/record"
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
		Long: `report reads Records, which evaluate, bench and prove write to results.jsonl and
every subcommand prints with --json, and shows verdicts, tables and figures. RESULTS
are files, or directories with a results.jsonl; - is standard input. Records of
several files are added up, except races and timings of different systems; a Record
that comes twice counts once.

If the last line is cut short, as after an interrupted run, it is left out with a
warning. Any other line that is not a Record is an error, and nothing is shown.

report exits with 0 even if the Records show a broken promise; its verdict then
begins with that.

Formats:
` + formatChoices(),
		Example: `  stablewrite report stablewrite-20260102T150405.000Z/results.jsonl
  stablewrite report --format html -o report.html results.jsonl
  stablewrite report --format cost.svg -o cost.svg results.jsonl
  stablewrite repro --mutator storm --writes 1000 --json | stablewrite report -
  stablewrite report --format benchfmt results.jsonl >cost.txt; benchstat -col /writer cost.txt`,
		Args: positional(cobra.MinimumNArgs(1), "name a file of Records: stablewrite report results.jsonl"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "text", "the `format`, see above")
	fl.StringVarP(&f.out, "out", "o", "", "write to `FILE`, which must not exist (default standard output)")
	fl.BoolVar(&f.force, "force", false, "replace FILE")
	return cmd
}

// formatChoices lists the values of --format.
func formatChoices() string {
	describe := func(f report.Format) string { return fmt.Sprintf("  %-10s %s", f.Name, f.About) }
	return strings.Join(each(report.Formats(), describe), "\n")
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
	var res record.Results
	for _, name := range names {
		warnings, err := readRecords(&res, name, cmd.InOrStdin())
		for _, w := range warnings {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: warning: %s\n", cmd.CommandPath(), w)
		}
		if err != nil {
			return err
		}
	}
	// Rendered whole before a byte is written: an error leaves no half of a report.
	var b bytes.Buffer
	write := format.Write
	if to == nil && f.format == "text" && terminal(cmd.OutOrStdout()) != nil && os.Getenv("NO_COLOR") == "" { // no-color.org
		write = report.Colored
	}
	if err := write(&b, findings.Of(res)); err != nil {
		return err
	}
	if to != nil {
		ctx, stop := interruptible(cmd)
		defer stop()
		return to.write(ctx, b.Bytes())
	}
	_, err = cmd.OutOrStdout().Write(b.Bytes())
	return err
}

func readRecords(res *record.Results, name string, stdin io.Reader) (warnings []string, err error) {
	if name == "-" {
		return res.Read("standard input", stdin)
	}
	if st, err := os.Stat(name); err == nil && st.IsDir() { // that of a run
		name = filepath.Join(name, recordsName)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: name a file of Records, or the directory of a run", err)
	}
	defer f.Close()
	return res.Read(name, f)
}
