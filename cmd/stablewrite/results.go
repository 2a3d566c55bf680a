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

func (r *results) name() string { return r.in("results.jsonl") }

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
	for _, name := range append([]string{"results.jsonl"}, beside...) {
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
	flag := os.O_EXCL
	if r.force {
		flag = os.O_TRUNC
	}
	f, err := os.OpenFile(r.name(), os.O_WRONLY|os.O_CREATE|flag, 0o666)
	for _, name := range r.beside { // that of other Records must not lie beside these
		if err == nil && r.force {
			if err = os.Remove(r.in(name)); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
	}
	if err != nil {
		_ = f.Close() // nil, if it was not opened
		return err
	}
	r.f = f
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
