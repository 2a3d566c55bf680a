package repro

import (
	"os"

	"stablepages/stablewrite"
)

// cached is a file written through the page cache: the Device of the negative
// control, whose strategy would otherwise write directly.
type cached struct{ *os.File }

func newCached(target *os.File) (stablewrite.Device, error) {
	f, err := Reopen(target, os.O_RDWR, false)
	return cached{f}, err
}

func (cached) Geometry() stablewrite.Geometry {
	return stablewrite.Geometry{MemAlign: 1, OffsetAlign: 1, Source: "page cache", Direct: stablewrite.DirectNo, Why: "opened without O_DIRECT"}
}
