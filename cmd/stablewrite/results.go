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

	"stablepages/bench/findings"
	"stablepages/bench/record"
)

// results are the Records of a run, and their file. The file is created, or with force
// replaced, at the first Record: a run that fails before leaves nothing to remove.
type results struct {
	dir   string
	force bool
	echo  io.Writer // also gets every Record; may be nil
	f     *os.File  // nil until the first Record
	files []string  // their names in dir: of f, and of files that the caller will write
	page  string    // the report that was written; "": none
	found record.Results
	notes []string // on the run, for standard error
}

// newResults puts results into the directory out, or into a new one named for the time. It
// refuses early what write would refuse. With echo it prints every Record. beside names
// further files that the caller will write to the directory.
func newResults(cmd *cobra.Command, out string, force, echo bool, beside ...string) (*results, error) {
	if out == "" {
		out = "stablewrite-" + time.Now().UTC().Format("20060102T150405.000Z")
	}
	r := &results{dir: out, force: force, files: append([]string{recordsName}, beside...)}
	if echo {
		r.echo = cmd.OutOrStdout()
	}
	return r, r.check()
}

const recordsName = "results.jsonl"

func (r *results) name() string { return r.in(recordsName) }

// in is the path of a file in the directory.
func (r *results) in(name string) string { return filepath.Join(r.dir, name) }

func (r *results) check() error {
	if _, err := os.Stat(filepath.Dir(filepath.Clean(r.dir))); err != nil {
		return fmt.Errorf("%w: name another directory with --out", err)
	}
	if st, err := os.Stat(r.dir); err == nil && !st.IsDir() {
		return fmt.Errorf("%s is not a directory: name another with --out", r.dir)
	}
	for _, name := range r.files {
		switch st, err := os.Lstat(r.in(name)); {
		case err == nil && !r.force:
			return fmt.Errorf("%s exists: name another directory with --out, or use --force", r.in(name))
		case err == nil && st.IsDir():
			return fmt.Errorf("%s is a directory: name another directory with --out", r.in(name))
		}
	}
	return nil
}

// note keeps a note until the end of the run.
func (r *results) note(text string) { r.notes = append(r.notes, text) }

func (r *results) write(rec any) error {
	r.found.Add(rec)
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

func (r *results) open() (err error) {
	if err = os.Mkdir(r.dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if r.force {
		// Remove the files, so that writing does not follow a link. Files beside the old
		// Records belong to them.
		for _, name := range r.files {
			if err := os.Remove(r.in(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	r.f, err = os.OpenFile(r.name(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	return err
}

// apart refuses a target that is the file of the Records.
func (r *results) apart(target *os.File) error {
	st, err := target.Stat()
	if err != nil {
		return err
	}
	if old, err := os.Stat(r.name()); err == nil && os.SameFile(old, st) {
		return fmt.Errorf("%s is the file of the Records: name another directory with --out", r.name())
	}
	return nil
}

// end ends a run, of which parts failed, or which err ended. It shows the notes and the
// results, also if a signal ended the run early, and names the file of the Records.
func (r *results) end(cmd *cobra.Command, show func(io.Writer, findings.Findings) error, failed []string, err error) error {
	for _, text := range r.notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", cmd.CommandPath(), text)
	}
	written := r.f != nil
	if written {
		err = errors.Join(err, r.f.Close())
	}
	switch {
	case err == nil, errors.Is(err, context.Canceled):
	case written:
		return fmt.Errorf("%w\nRecords until then: %s", err, r.name())
	default:
		return err
	}
	found := findings.Of(r.found)
	if written {
		if err := r.show(cmd, found, show); err != nil {
			return err
		}
	}
	switch {
	case err == nil:
		return judged(found.Broken, failed, found.Inconclusive)
	case written:
		return &exit{exitInterrupted, fmt.Errorf("interrupted; Records until then: %s", r.name())}
	}
	return &exit{exitInterrupted, errors.New("interrupted before anything was found")}
}

// show prints found, unless its Records were printed, and names the files.
func (r *results) show(cmd *cobra.Command, found findings.Findings, show func(io.Writer, findings.Findings) error) error {
	out, files := cmd.OutOrStdout(), "Records: "+r.name()+"\n"
	if r.page != "" {
		files += "Report:  " + r.page + "\n"
	}
	if r.echo != nil {
		out = cmd.ErrOrStderr()
	} else if err := show(out, found); err != nil {
		return err
	} else {
		files = "\n" + files
	}
	_, err := io.WriteString(out, files)
	return err
}

// judged makes an error, with its exit code, of the verdict of a run.
func judged(broken, failed, inconclusive []string) error {
	list := func(what string, lines []string) error {
		if len(lines) == 0 {
			return nil
		}
		return fmt.Errorf("%s:\n  %s", what, strings.Join(lines, "\n  "))
	}
	if len(broken) > 0 {
		return &exit{exitTorn, list("a promise was broken", slices.Concat(broken, failed))}
	}
	return errors.Join(list("failed", failed), list("inconclusive", inconclusive))
}
