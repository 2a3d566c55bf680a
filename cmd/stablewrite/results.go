package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stablepages/bench/record"
	"stablepages/bench/report"
)

// results is the file that Records go to. It is created, or with force replaced, at
// the first Record: a run that fails before that leaves nothing to remove.
type results struct {
	dir   string
	force bool
	echo  io.Writer // gets every Record, too; nil: nobody does
	f     *os.File  // nil until the first Record

	beside []string // what else is to be written there
	page   string   // what else was
}

// newResults puts results into out, or else into a directory named for now.
func newResults(out string, force bool, echo io.Writer) *results {
	if out == "" {
		out = "stablewrite-" + time.Now().UTC().Format("20060102T150405.000Z")
	}
	return &results{dir: out, force: force, echo: echo}
}

// echo is where Records are printed; nil if they are not.
func echo(cmd *cobra.Command, json bool) io.Writer {
	if json {
		return cmd.OutOrStdout()
	}
	return nil
}

// recordsName is the file of the Records.
const recordsName = "results.jsonl"

func (r *results) name() string { return r.in(recordsName) }

// in is a file beside the Records.
func (r *results) in(name string) string { return filepath.Join(r.dir, name) }

// check refuses early what write would refuse, and existing files of the names in
// beside, which the caller will write to the same directory.
func (r *results) check(beside ...string) error {
	if _, err := os.Stat(filepath.Dir(filepath.Clean(r.dir))); err != nil {
		return fmt.Errorf("%w: name another directory with --out", err)
	}
	if st, err := os.Stat(r.dir); err == nil && !st.IsDir() {
		return fmt.Errorf("%s is not a directory: name another with --out", r.dir)
	}
	r.beside = beside
	for _, name := range append([]string{recordsName}, beside...) {
		switch st, err := os.Lstat(r.in(name)); {
		case err == nil && !r.force:
			return fmt.Errorf("%s exists: name another directory with --out, or use --force", r.in(name))
		case err == nil && st.IsDir():
			return fmt.Errorf("%s is a directory: name another directory with --out", r.in(name))
		}
	}
	return nil
}

func (r *results) write(rec any) error {
	if r.echo != nil {
		if err := record.Write(r.echo, rec); err != nil {
			return err
		}
	}
	if r.f == nil {
		if err := r.open(); err != nil {
			return fmt.Errorf("%w: name another directory with --out", err)
		}
	}
	return record.Write(r.f, rec)
}

func (r *results) open() error {
	if err := os.Mkdir(r.dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Removed, not overwritten: a link to something else stays harmless. The files
	// beside them belong to the old Records and go, too.
	for _, name := range append([]string{recordsName}, r.beside...) {
		if !r.force {
			break
		}
		if err := os.Remove(r.in(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(r.name(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	r.f = f
	return nil
}

// apart refuses target if it is where the Records are to go: it would be overwritten.
func (r *results) apart(target *os.File) error {
	st, err := target.Stat()
	if err != nil {
		return err
	}
	if old, err := os.Stat(r.name()); err == nil && os.SameFile(old, st) {
		return fmt.Errorf("%s is where the Records go: name another directory with --out", r.name())
	}
	return nil
}

func (r *results) close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}

// interrupted is the error of a run that a signal, or err, cut short.
func interrupted(ctx context.Context, err error, res *results) error {
	switch {
	case ctx.Err() == nil:
		return res.with(err)
	case res.f == nil:
		return &exit{exitInterrupted, errors.New("interrupted before anything was found")}
	}
	return &exit{exitInterrupted, fmt.Errorf("interrupted; Records until then: %s", res.name())}
}

// with adds to err where the Records before it are.
func (r *results) with(err error) error {
	if r.f == nil {
		return err
	}
	return fmt.Errorf("%w\nRecords until then: %s", err, r.name())
}

// end ends a run: it shows what was found, even if err cut the run short, and where
// the Records are.
func (r *results) end(ctx context.Context, cmd *cobra.Command, found report.Results, show func(io.Writer, report.Results) error, err error) error {
	err = errors.Join(err, r.close())
	if err != nil && !errors.Is(err, context.Canceled) {
		return r.with(err)
	}
	if r.f != nil {
		if err := r.show(cmd, found, show); err != nil {
			return err
		}
	}
	if err != nil {
		return interrupted(ctx, err, r)
	}
	v := report.Judge(found)
	return judged(v.Broken, nil, v.Inconclusive)
}

// show prints found, unless its Records were, and what files there are.
func (r *results) show(cmd *cobra.Command, found report.Results, show func(io.Writer, report.Results) error) error {
	out, files := cmd.OutOrStdout(), "Records: "+r.name()+"\n"
	switch {
	case r.f == nil:
		files = ""
	case r.page != "":
		files += "Report:  " + r.page + "\n"
	}
	if r.echo != nil {
		out = cmd.ErrOrStderr()
	} else if err := show(out, found); err != nil {
		return err
	} else if files != "" {
		files = "\n" + files
	}
	_, err := io.WriteString(out, files)
	return err
}

// say prints what else users should know of a run.
func say(cmd *cobra.Command, notes []string) {
	for _, n := range notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), n)
	}
}

// judged turns a verdict into the error, and so the exit code, of a run.
func judged(broken, failed, inconclusive []string) error {
	list := func(what string, lines []string) error {
		return fmt.Errorf("%s:\n  %s", what, strings.Join(lines, "\n  "))
	}
	if len(broken) > 0 {
		return &exit{exitTorn, list("a promise was broken", slices.Concat(broken, failed))}
	}
	var err error
	if len(failed) > 0 {
		err = list("failed", failed)
	}
	if len(inconclusive) > 0 {
		err = errors.Join(err, list("inconclusive", inconclusive))
	}
	return err
}
