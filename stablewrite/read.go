package stablewrite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime/debug"
)

// ReadAt reads len(p) bytes from off, with any offset and any length; it implements
// io.ReaderAt. An unaligned read goes through private memory. A read into p that fails
// with EIO or EILSEQ is repeated once into private memory: a layer that verifies
// checksums fails a read if another goroutine or process changes p meanwhile. If both
// reads fail, the media are at fault, and the error lists both.
//
// If the Device panics, ReadAt panics with a *PanicError.
//
// A read does not wait for writes. A read that overlaps a write under Verify may
// return bytes that the resubmission then replaces.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.enter("read"); err != nil {
		return 0, err
	}
	defer f.leave()
	if len(p) == 0 {
		return 0, nil
	}
	if f.writeOnly {
		return 0, f.wrap("read", fmt.Errorf("%w: opened for writing only", fs.ErrPermission))
	}
	n, err := f.read(p, off)
	if err != nil && err != io.EOF {
		err = f.wrap("read", fmt.Errorf("%d bytes at %d: %w", len(p), off, err))
	}
	return n, err
}

func (f *File) read(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("%w: negative offset", fs.ErrInvalid)
	}
	align := f.geo.OffsetAlign
	how := "through private memory"
	if aligned(p, f.geo.MemAlign) && off%int64(align) == 0 && len(p)%align == 0 {
		n, err := f.readDevice(p, off)
		if !isMedia(err) {
			return n, err
		}
		how = "into the caller's memory, and again " + how
	}
	n, err := f.readPrivate(p, off)
	if isMedia(err) {
		err = fmt.Errorf("%s: %w", how, err)
	}
	return n, err
}

// readDevice calls Device.ReadAt and enforces the contract of io.ReaderAt.
func (f *File) readDevice(p []byte, off int64) (int, error) {
	n, err := f.callRead(p, off)
	switch {
	case n < 0 || n > len(p):
		return 0, errCount
	case errors.Is(err, io.EOF) && n == len(p):
		return n, nil
	case errors.Is(err, io.EOF):
		return n, io.EOF
	case err == nil && n < len(p):
		return n, io.ErrNoProgress
	}
	return n, err
}

// callRead calls the Device, which may touch memory that is not there.
func (f *File) callRead(p []byte, off int64) (n int, err error) {
	pins.pin(p)
	defer pins.unpin(p)
	defer func() {
		if died, ok := err.(*PanicError); ok {
			panic(died)
		}
	}()
	defer caught([][]byte{p}, &err, debug.SetPanicOnFault(true))
	return f.dev.ReadAt(p, off)
}

// readPrivate reads whole units of the device into private memory, and copies the
// requested bytes to p.
func (f *File) readPrivate(p []byte, off int64) (n int, err error) {
	align := f.geo.OffsetAlign
	into := func(off int64) int { return int(off % int64(align)) }
	c := loan{quota: f.quota}
	f.opts.Pool.reserve(&c, min(roundUp(into(off)+len(p), align), f.copied), 1, f.grain())
	defer f.opts.Pool.release(&c)
	private := c.chunks[0].mem
	for n < len(p) && err == nil {
		at := off + int64(n)
		skip := into(at)
		var got int
		got, err = f.readDevice(private[:min(len(private), roundUp(skip+len(p)-n, align))], at-int64(skip))
		if got > skip {
			m, fault := copyPlain(p[n:], private[skip:got])
			if n += m; fault != nil {
				err = fault
			}
		}
	}
	if n == len(p) { // an error of later bytes does not matter
		return n, nil
	}
	return n, err
}
