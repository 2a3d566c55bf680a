package cost

import (
	"errors"
	"fmt"
	"math"

	"stablepages/stablewrite"
)

// null is a Device that takes every write at once and keeps nothing: what is left
// is the cost of the software above it. It cannot be read.
type null struct {
	// inFlight, if not nil, is called in every submission after it was accepted and
	// before it completes, with the range that is written, on the goroutine that
	// submits: whoever wants a buffer to change in flight changes it there.
	inFlight func(off int64, n int)
}

var _ stablewrite.Device = (*null)(nil)

// WriteAt returns len(p).
func (d *null) WriteAt(p []byte, off int64) (int, error) {
	if d.inFlight != nil {
		d.inFlight(off, len(p))
	}
	return len(p), nil
}

// ReadAt returns an error that wraps errors.ErrUnsupported.
func (d *null) ReadAt([]byte, int64) (int, error) { return 0, errKeepsNothing }

var errKeepsNothing = fmt.Errorf("%w: the device keeps nothing of what is written", errors.ErrUnsupported)

// Size is that of a device that no write makes longer.
func (d *null) Size() (int64, error) { return math.MaxInt64, nil }

// Geometry is that of a disk with sectors of 512 bytes.
func (d *null) Geometry() stablewrite.Geometry {
	return stablewrite.Geometry{MemAlign: 512, OffsetAlign: 512, Source: "by definition", Why: "not a device of the kernel"}
}

func (d *null) Sync() error  { return nil }
func (d *null) Close() error { return nil }
