package stablewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
)

// Sized is a Device that knows its size. On a Device that is not Sized the segments of a
// large write go out in order, as those of a write that makes a file longer do.
type Sized interface {
	Size() (int64, error)
}

// Resizer is a Device whose size can be set, and that can allocate space ahead.
type Resizer interface {
	Truncate(size int64) error
	// Preallocate allocates [off, off+n), and makes the file off+n long if it is shorter.
	Preallocate(off, n int64) error
}

// Size returns the length of the file or block device, in bytes.
func (f *File) Size() (int64, error) { return f.sizeFor("size") }

// sizeFor returns the size for a call, which an error names by op.
func (f *File) sizeFor(op string) (n int64, err error) {
	if err := f.enter(op); err != nil {
		return 0, err
	}
	defer f.leave()
	err = errors.ErrUnsupported
	if d, ok := f.dev.(Sized); ok {
		n, err = d.Size()
	}
	return n, f.wrap(op, err)
}

// Truncate makes the file size bytes long. It and writes of the process beyond the
// smaller of the old and the new size wait for each other.
func (f *File) Truncate(size int64) error {
	now, err := f.sizeFor("truncate")
	if err != nil {
		return err
	}
	if size < 0 {
		return f.wrap("truncate", fmt.Errorf("%w: negative size", fs.ErrInvalid))
	}
	return f.resize("truncate", min(size, now), math.MaxInt64, func(d Resizer) error { return d.Truncate(size) })
}

// Preallocate allocates n bytes from off on, and makes the file off+n long if it is
// shorter. Later writes there need no new space and do not make the file longer, so they
// can go out by a ring. It and overlapping writes of the process wait for each other.
func (f *File) Preallocate(off, n int64) error {
	if n <= 0 || off > math.MaxInt64-n {
		off, n = -1, 0
	}
	return f.resize("preallocate", off, off+n, func(d Resizer) error { return d.Preallocate(off, n) })
}

func (f *File) resize(what string, off, end int64, do func(Resizer) error) error {
	if err := f.enter(what); err != nil {
		return err
	}
	defer f.leave()
	d, ok := f.dev.(Resizer)
	switch {
	case !ok:
		return f.wrap(what, errors.ErrUnsupported)
	case f.readOnly:
		return f.wrap(what, fmt.Errorf("%w: opened for reading only", fs.ErrPermission))
	case off < 0:
		return f.wrap(what, fmt.Errorf("%w: negative offset, or nothing to allocate", fs.ErrInvalid))
	}
	return f.wrap(what, f.resized(off, end, func() error { return do(d) }))
}

// resized sets the size, or allocates, while no write to the range is under way.
func (f *File) resized(off, end int64, do func() error) error {
	var held span
	f.target.lock(&held, off, end)
	defer f.target.unlock(&held)
	defer f.known.Store(0) // the file may be shorter now
	return do()
}

// extends reports whether a write that ends at end may make the file longer.
func (f *File) extends(end int64) (longer bool) {
	longer = true // unless the Device says otherwise
	defer func() { _ = recover() }()
	if d, ok := f.dev.(Sized); ok {
		if size, err := d.Size(); err == nil {
			f.known.Store(size)
			longer = end > size
		}
	}
	return longer
}

// inside reports whether the file has at least end bytes, by the known size or else by the
// Device.
func (f *File) inside(end int64) bool { return end <= f.known.Load() || !f.extends(end) }
