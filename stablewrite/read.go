package stablewrite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// ReadAt reads len(p) bytes from off, any offset and any length; it is
// io.ReaderAt. What the device does not take as it is goes through private
// memory. A read that fails with EIO or EILSEQ is tried once more through
// private memory: a layer that checks sums fails reads into memory that somebody
// changes meanwhile.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.enter(); err != nil {
		return 0, err
	}
	defer f.leave()
	if off < 0 {
		return 0, fmt.Errorf("stablewrite: read %d bytes at %d: %w: negative offset", len(p), off, fs.ErrInvalid)
	}
	if len(p) == 0 {
		return 0, nil
	}
	align := f.geo.OffsetAlign
	through := ""
	if aligned(p, f.geo.MemAlign) && off%int64(align) == 0 && len(p)%align == 0 {
		n, err := f.dev.ReadAt(p, off)
		if err == nil || err == io.EOF {
			return n, err
		}
		if !isMedia(err) {
			return n, fmt.Errorf("stablewrite: read %d bytes at %d: %w", len(p), off, err)
		}
		through = ", again through private memory"
	}
	n, err := f.readPrivate(p, off)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("stablewrite: read %d bytes at %d%s: %w", len(p), off, through, err)
	}
	return n, err
}

// readPrivate reads whole units of the device into private memory and copies
// out what was asked for.
func (f *File) readPrivate(p []byte, off int64) (n int, err error) {
	align := int64(f.geo.OffsetAlign)
	skip := int(off % align)
	want := (skip + len(p) + int(align) - 1) &^ (int(align) - 1)
	private := f.opts.Pool.get(min(want, f.segment))
	defer f.opts.Pool.put(private)
	for n < len(p) {
		at := off + int64(n)
		skip := int(at % align)
		unit := min(len(private), (skip+len(p)-n+int(align)-1)&^(int(align)-1))
		got, err := f.dev.ReadAt(private[:unit], at-int64(skip))
		if got > skip {
			n += copy(p[n:], private[skip:got])
		}
		if n == len(p) {
			return n, nil // all that was asked for is here, whatever came after it
		}
		if err == nil && got < unit {
			err = io.ErrNoProgress
		}
		if errors.Is(err, io.EOF) {
			return n, io.EOF
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
