package cost

import (
	"errors"
	"fmt"
	"math"

	"stablepages/stablewrite"
)

// Null is a Device that takes every write at once and keeps nothing: what is left
// is the cost of the software above it. It cannot be read.
type Null struct {
	// InFlight, if not nil, is called in every submission after it was accepted and
	// before it completes, with the range that is written, on the goroutine that
	// submits: whoever wants a buffer to change in flight changes it there.
	InFlight func(off int64, n int)
}

var _ stablewrite.Device = (*Null)(nil)

// WriteAt returns len(p).
func (d *Null) WriteAt(p []byte, off int64) (int, error) {
	if d.InFlight != nil {
		d.InFlight(off, len(p))
	}
	return len(p), nil
}

// ReadAt returns an error that wraps errors.ErrUnsupported.
func (d *Null) ReadAt([]byte, int64) (int, error) { return 0, errKeepsNothing }

var errKeepsNothing = fmt.Errorf("%w: the device keeps nothing of what is written", errors.ErrUnsupported)

// Size is that of a device that no write makes longer.
func (d *Null) Size() (int64, error) { return math.MaxInt64, nil }

// Geometry is that of a disk with sectors of 512 bytes.
func (d *Null) Geometry() stablewrite.Geometry {
	return stablewrite.Geometry{MemAlign: 512, OffsetAlign: 512, Source: "by definition", Why: "not a device of the kernel"}
}

func (d *Null) Sync() error  { return nil }
func (d *Null) Close() error { return nil }
