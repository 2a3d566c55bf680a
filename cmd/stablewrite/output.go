package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// output is a file that is written whole or not at all.
type output struct {
	name  string
	force bool // replace an existing file
}

// newOutput refuses early what write would refuse, and a file that is one of sources.
func newOutput(name string, force bool, sources []string) (*output, error) {
	st, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(name); err == nil {
			return nil, fmt.Errorf("%s is a symbolic link to nothing: name another file with -o", name)
		}
		if _, err := os.Stat(filepath.Dir(name)); err != nil {
			return nil, fmt.Errorf("%w: name another file with -o", err)
		}
		return &output{name: name}, nil
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file: name another with -o, or redirect standard output", name)
	case !force:
		return nil, fmt.Errorf("%s exists: name another file with -o, or use --force", name)
	}
	for _, source := range sources {
		if other, err := os.Stat(source); err == nil && os.SameFile(st, other) {
			return nil, fmt.Errorf("%s holds the Records: name another file with -o", name)
		}
	}
	name, err = filepath.EvalSymlinks(name) // so that a link to the file stays
	return &output{name: name, force: true}, err
}

// write writes data to a file with another name, and renames the file once it is durable.
func (o *output) write(ctx context.Context, data []byte) (err error) {
	f, err := os.OpenFile(fmt.Sprintf("%s.%d.part", o.name, os.Getpid()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails if the file was renamed
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return &exit{exitInterrupted, errors.New("interrupted before anything was written")}
	}
	// Unlike a rename, a link does not replace a file that was created meanwhile. But some
	// file systems have no links.
	if !o.force {
		if err = os.Link(f.Name(), o.name); err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return os.Rename(f.Name(), o.name)
}
