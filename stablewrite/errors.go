package stablewrite

import (
	"errors"
	"fmt"
	"io/fs"
)

var (
	// ErrChanged: the buffer changed while it was written, and the strategy
	// refuses that (Detect). The media content of changed blocks is unknown.
	ErrChanged = errors.New("buffer changed while it was written")
	// ErrUnaligned: an offset, a length or (under Raw) a buffer is not aligned
	// as Geometry asks. Nothing of that write was written.
	ErrUnaligned = errors.New("not aligned for direct I/O")
	// ErrUnderWay: the Write was given to Do or Queue.Start before and has not been
	// returned, or it is a copy of a Write that was under way when it was copied.
	ErrUnderWay = errors.New("stablewrite: the Write is under way already")
	// ErrNotTracked, under Options.RequireTracking: a part of the buffer is not memory of
	// TrackedBuffer or Track, the buffer or the offset is not aligned to 4096, or a
	// ReadAt fills the buffer.
	ErrNotTracked = errors.New("writes to the buffer are not tracked")
	// ErrNotDirect: the file system refuses O_DIRECT, or the kernel would not write this
	// file directly, which Options.RequireDirect asks for.
	ErrNotDirect = errors.New("not written directly")
)

// WriteError is the error of a write that began and failed, or of a buffer of a
// Stream. It divides the write into Good bytes, then Spoiled bytes, then bytes that
// were not touched.
type WriteError struct {
	Name    string // of the file; "" on a Device
	Off     int64
	Len     int
	Good    int // bytes from Off that match the receipt's sum (Raw, Stream: that the device accepted)
	Spoiled int // bytes after Good whose old content may be gone and whose new content is unknown
	Attempt int // 1: the first submission failed; 2: the resubmission
	Err     error
}

func (e *WriteError) Error() string {
	what := "submission"
	if e.Attempt > 1 {
		what = "resubmission"
	}
	return wrap("write", e.Name, fmt.Errorf("%d bytes at %d: %s: %w (of these bytes %d are good, the next %d may have lost their old content)",
		e.Len, e.Off, what, e.Err, e.Good, e.Spoiled)).Error()
}

// Unwrap returns the cause, Err, of a named file in an *fs.PathError.
func (e *WriteError) Unwrap() error {
	if e.Name == "" {
		return e.Err
	}
	return &fs.PathError{Op: "write", Path: e.Name, Err: e.Err}
}

// wrap adds the operation to err, if any, and the name of the file, if it has one.
func wrap(op, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case name == "":
		return fmt.Errorf("stablewrite: %s: %w", op, err)
	}
	return fmt.Errorf("stablewrite: %w", &fs.PathError{Op: op, Path: name, Err: err})
}

// pathless returns err without the operation and the path that os adds.
func pathless(err error) error {
	if p, ok := err.(*fs.PathError); ok {
		return p.Err
	}
	return err
}
