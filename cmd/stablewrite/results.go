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

// results is the file that Records go to. Nothing is made, and with force
// nothing is overwritten, before there is a first Record: what fails early has
// nothing to remove.
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

// echo is where Records are printed, if they are.
func echo(cmd *cobra.Command, json bool) io.Writer {
	if json {
		return cmd.OutOrStdout()
	}
	return nil
}

// recordsName is what the Records are called.
const recordsName = "results.jsonl"

func (r *results) name() string { return r.in(recordsName) }

// in is a file beside the Records.
func (r *results) in(name string) string { return filepath.Join(r.dir, name) }

// check refuses early what write would refuse, and to overwrite what else is to be
// written beside the Records.
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
	// Removed, and not overwritten: a link to something else stays harmless. What is
	// beside them goes as well: it is of those Records, and not of these.
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

// interrupted is the error of a run that ended before its end: by a signal, or by
// err.
func interrupted(ctx context.Context, err error, res *results) error {
	switch {
	case ctx.Err() == nil:
		return res.with(err)
	case res.f == nil:
		return &exit{exitInterrupted, errors.New("interrupted before anything was found")}
	}
	return &exit{exitInterrupted, fmt.Errorf("interrupted; what was found so far is in %s", res.name())}
}

// with is err, and where what was found before it is.
func (r *results) with(err error) error {
	if r.f == nil {
		return err
	}
	return fmt.Errorf("%w\nwhat was found so far is in %s", err, r.name())
}

// end ends a run: it shows what was found, if err cut it short what was found so
// far, and says where it is.
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

// judged is how a run ends of which a verdict was given.
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
