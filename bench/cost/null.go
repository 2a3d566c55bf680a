package cost

import (
	"errors"
	"fmt"
	"math"

	"stablepages/stablewrite"
)

// null is a Device that completes every write at once and keeps nothing, so that only the
// software above it costs anything. It cannot be read.
type null struct{ changes *changes }

var _ stablewrite.Device = (*null)(nil)

// WriteAt returns len(p).
func (d *null) WriteAt(p []byte, off int64) (int, error) {
	d.changes.inFlight(off, len(p))
	return len(p), nil
}

// ReadAt returns an error that wraps errors.ErrUnsupported.
func (d *null) ReadAt([]byte, int64) (int, error) {
	return 0, fmt.Errorf("%w: the device keeps no data", errors.ErrUnsupported)
}

// Size is so large that no write extends the device.
func (d *null) Size() (int64, error) { return math.MaxInt64, nil }

// Geometry is the geometry of a disk with sectors of 512 bytes.
func (d *null) Geometry() stablewrite.Geometry {
	return stablewrite.Geometry{MemAlign: 512, OffsetAlign: 512, Source: "by definition", Why: "not a device of the kernel"}
}

func (d *null) Sync() error  { return nil }
func (d *null) Close() error { return nil }
