package stablewrite

import (
	"errors"
	"fmt"
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
	// ErrNotDirect: the kernel would not write this file directly.
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
	return fmt.Sprintf("stablewrite: %s: %s: %v (of these bytes %d are good, the next %d may have lost their old content)",
		transfer("write", e.Name, e.Len, e.Off), what, e.Err, e.Good, e.Spoiled)
}

// transfer returns a text like "write f: 4096 bytes at 0".
func transfer(what, name string, n int, off int64) string {
	if name != "" {
		what += " " + name + ":"
	}
	return fmt.Sprintf("%s %d bytes at %d", what, n, off)
}

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }
