package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// File is what a tool writes to.
type File struct {
	*os.File
	ours bool
	keep bool
}

// Open opens name, or creates it with mode 0644. With force it may exist; with
// keep a file that was created stays.
func Open(name string, force, keep bool) (*File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case err == nil:
		return claim(&File{File: f, ours: true, keep: keep})
	case !errors.Is(err, fs.ErrExist):
		return nil, explain(filepath.Dir(name), err)
	}
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is a symbolic link to nothing: name a new file", name)
	} else if err != nil {
		return nil, explain(filepath.Dir(name), err)
	}
	mode := st.Mode()
	switch {
	case mode.IsDir():
		return nil, fmt.Errorf("%s is a directory: name a file in it", name)
	case mode.IsRegular() && !force:
		return nil, fmt.Errorf("%s exists and would be overwritten: name a new file, or use --force", name)
	case mode.IsRegular():
		f, err = os.OpenFile(name, os.O_RDWR, 0)
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		if !force {
			return nil, fmt.Errorf("%s is a block device and would be overwritten: use --force if nothing on it matters", name)
		}
		f, err = os.OpenFile(name, os.O_RDWR|os.O_EXCL, 0)
	default:
		return nil, fmt.Errorf("%s is neither a regular file nor a block device", name)
	}
	if err != nil {
		return nil, explain(filepath.Dir(name), err)
	}
	return claim(&File{File: f})
}

// errTaken: another run has the lock.
var errTaken = errors.New("locked")

// claim keeps two runs from overwriting each other's file, which would look like
// torn data to both.
func claim(f *File) (*File, error) {
	err := lock(f.File)
	switch {
	case errors.Is(err, errTaken):
		f.ours = false // the other's, if it was created a moment ago
		f.Close()
		return nil, fmt.Errorf("%s is in use by another run: name another file", f.Name())
	case err != nil:
		f.keep = false
		f.Close()
		return nil, fmt.Errorf("%s cannot be locked against other runs: %w: name a file on another file system", f.Name(), err)
	}
	return f, nil
}

// Temporary creates a file in dir that has no name, so that nothing is left even
// if this process is killed. Where the file system cannot do that it has one for
// a moment.
func Temporary(dir string) (*os.File, error) {
	f, err := nameless(dir)
	if err == nil {
		return f, nil
	}
	if f, err = os.CreateTemp(dir, ".stablewrite-*"); err != nil {
		return nil, explain(dir, err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, explain(dir, err)
	}
	return f, nil
}

// Close closes the file, and removes it if it is ours and still there.
func (f *File) Close() error {
	if f.ours && !f.keep {
		if was, err := f.Stat(); err == nil {
			if is, err := os.Lstat(f.Name()); err == nil && os.SameFile(was, is) {
				os.Remove(f.Name())
			}
		}
	}
	return f.File.Close()
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// explain adds what to do to the errors of opening something in dir.
func explain(dir string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		hint = fmt.Sprintf(": %s is not a directory", dir)
	case errors.Is(err, fs.ErrNotExist) && !exists(dir):
		hint = fmt.Sprintf(": make the directory %s first, or name another", dir)
	case errors.Is(err, fs.ErrNotExist):
		hint = fmt.Sprintf(": no files can be created in %s; name a directory on ext4 or xfs", dir)
	case errors.Is(err, syscall.EROFS):
		hint = ": the file system is mounted read-only; name a file on another"
	case errors.Is(err, fs.ErrPermission):
		hint = ": name a place that you may write to"
	case errors.Is(err, syscall.EBUSY):
		hint = ": it is mounted or otherwise in use; unmount it first, or name another"
	case errors.Is(err, syscall.ENOSPC):
		hint = ": the disk is full; make room, or name another"
	}
	return fmt.Errorf("%w%s", err, hint)
}
