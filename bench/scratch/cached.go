package scratch

import (
	"os"

	"stablepages/stablewrite"
)

// Cached is a file written through the page cache, as a plain program does: a
// Device of which strategies know that it is not direct.
type Cached struct{ *os.File }

var _ stablewrite.Device = Cached{}

// OpenCached opens target once more.
func OpenCached(target *os.File) (Cached, error) {
	f, err := Reopen(target, os.O_RDWR, false)
	return Cached{f}, err
}

func (Cached) Geometry() stablewrite.Geometry {
	return stablewrite.Geometry{MemAlign: 1, OffsetAlign: 1, Source: "page cache", Direct: stablewrite.DirectNo, Why: "opened without O_DIRECT"}
}

// Sync is as [DataSync].
func (c Cached) Sync() error { return DataSync(c.File) }
