package scratch

import (
	"fmt"
	"os"

	"stablepages/stablewrite"
)

// Reopen opens the file of f again, with O_DIRECT if direct.
func Reopen(f *os.File, flag int, direct bool) (*os.File, error) {
	if direct {
		flag |= directFlag
	}
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flag, 0)
}

// Cached is a Device on a file that it writes through the page cache, as plain programs do.
type Cached struct{ *os.File }

var _ stablewrite.Device = Cached{}

// OpenCached opens target again.
func OpenCached(target *os.File) (Cached, error) {
	f, err := Reopen(target, os.O_RDWR, false)
	return Cached{f}, err
}

// Geometry says that the file is not written directly.
func (Cached) Geometry() stablewrite.Geometry {
	return stablewrite.Geometry{MemAlign: 1, OffsetAlign: 1, Source: "page cache", Direct: stablewrite.DirectNo, Why: "opened without O_DIRECT"}
}

// Sync is [DataSync].
func (c Cached) Sync() error { return DataSync(c.File) }
