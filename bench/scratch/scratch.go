package scratch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Extent is a part of a file, in bytes, and where it lies on its device.
type Extent struct{ Logical, Physical, Length int64 }

// File is a file or block device that a tool writes to.
type File struct {
	*os.File
	remove bool // when it is closed
}

// Open opens name, or creates it with mode 0644. With force it may exist; with keep a
// file that was created stays.
func Open(name string, force, keep bool) (*File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	created := err == nil
	if errors.Is(err, fs.ErrExist) {
		var flag int
		if flag, err = existing(name, force); err != nil {
			return nil, err
		}
		f, err = os.OpenFile(name, os.O_RDWR|flag, 0)
	}
	if err != nil {
		return nil, explain(filepath.Dir(name), err)
	}
	if st, err := f.Stat(); err == nil && st.Mode()&fs.ModeDevice != 0 {
		if err := writable(f); err != nil {
			f.Close()
			return nil, err
		}
	}
	// A file that two runs overwrite would look like torn data to both.
	switch taken, err := lock(f); {
	case taken:
		f.Close() // and not removed, even if created: the other run has opened it since
		return nil, fmt.Errorf("%s is in use by another run: name another file", name)
	case err != nil:
		(&File{f, created}).Close()
		return nil, fmt.Errorf("%s cannot be locked against other runs: %w: name a file on another file system", name, err)
	}
	return &File{f, created && !keep}, nil
}

// HasMedia refuses a block device without a single byte, such as a loop device without a
// file.
func HasMedia(device *os.File) error {
	if size, err := device.Seek(0, io.SeekEnd); err == nil && size == 0 {
		return fmt.Errorf("%s has no bytes: no disk or file is attached to it", device.Name())
	}
	return nil
}

// existing returns the flag to open what exists as name, or refuses to overwrite it.
func existing(name string, force bool) (flag int, err error) {
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s is a symbolic link to nothing: name a new file", name)
	} else if err != nil {
		return 0, explain(filepath.Dir(name), err)
	}
	mode := st.Mode()
	device := mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0
	switch {
	case mode.IsDir():
		return 0, fmt.Errorf("%s is a directory: name a file in it", name)
	case !mode.IsRegular() && !device:
		return 0, fmt.Errorf("%s is neither a regular file nor a block device: name one", name)
	case device && !force:
		return 0, fmt.Errorf("%s is a block device and would be overwritten: use --force if nothing on it matters", name)
	case !force:
		return 0, fmt.Errorf("%s exists and would be overwritten: name a new file, or use --force", name)
	case device:
		flag = os.O_EXCL
	}
	return flag, nil
}

// Temporary creates a file without a name in dir, so that nothing is left even if this
// process is killed. On file systems without O_TMPFILE it has a name for a moment.
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

// Close closes the file. It removes the file if it is ours, unless its name now belongs
// to another file.
func (f *File) Close() error {
	if f.remove {
		if was, err := f.Stat(); err == nil {
			if is, err := os.Lstat(f.Name()); err == nil && os.SameFile(was, is) {
				os.Remove(f.Name())
			}
		}
	}
	return f.File.Close()
}

// explain adds advice to an error of opening a file in dir.
func explain(dir string, err error) error {
	missing := "no files can be created in " + dir + "; name a directory on a disk"
	if _, err := os.Stat(dir); err != nil {
		missing = "make the directory " + dir + " first, or name another"
	}
	for _, x := range []struct {
		err    error
		advice string
	}{
		{syscall.ENOTDIR, dir + " is not a directory"},
		{fs.ErrNotExist, missing},
		{syscall.EROFS, "the file system is mounted read-only; name a file on another"},
		{fs.ErrPermission, "name a place that you may write to, or run this as root"},
		{syscall.EBUSY, "it is mounted or otherwise in use; unmount it first, or name another"},
		{syscall.ENOSPC, "the disk is full; make room, or name another"},
	} {
		if errors.Is(err, x.err) {
			return fmt.Errorf("%w: %s", err, x.advice)
		}
	}
	return err
}
