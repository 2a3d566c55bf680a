package stablewrite

import "fmt"

// Device is what a File writes to. Null and delayed devices, fault injection
// and tests implement it; a File on a path is a File on a Device of this
// package. Calls are concurrent, but for Close, which is the last.
type Device interface {
	// WriteAt submits p at off and returns when that completed. It reads p
	// after the File summed it, which is the point. As pwrite may, it may land
	// fewer bytes and return a nil error; the File goes on from there. It does
	// not modify or keep p.
	WriteAt(p []byte, off int64) (n int, err error)
	// ReadAt is that of io.ReaderAt.
	ReadAt(p []byte, off int64) (n int, err error)
	// Sync makes durable what landed before.
	Sync() error
	// Geometry says what the Device asks of submissions. It does not change.
	Geometry() Geometry
	Close() error
}

// Sized is a Device that knows how long it is. Of one that does not, large
// writes go out in order, as if each made it longer, and a Stream must end at a
// whole unit.
type Sized interface {
	// Size is the number of bytes that can be read.
	Size() (int64, error)
	// Truncate makes the file size bytes long. A block device, whose size is
	// its own, is never asked to.
	Truncate(size int64) error
}

// Geometry is what a Device asks of submissions, in bytes, and how that was
// learned. A File treats zero alignments as 1 and OffsetAlign as at least
// MemAlign, so that every part of a buffer that is aligned in the file is
// aligned in memory.
type Geometry struct {
	MemAlign    int        // of a buffer's address; at most 4096
	OffsetAlign int        // of offset and length
	Source      string     // where the alignment is from: "statx", "sector size", "read probe", ...
	Direct      Directness // whether writes bypass the page cache
	Why         string     // the reason for Direct
}

// Directness says whether the kernel writes the caller's memory itself.
type Directness uint8

const (
	DirectUnknown Directness = iota
	DirectYes
	DirectNo
)

var directnesses = [...]string{DirectUnknown: "unknown", DirectYes: "yes", DirectNo: "no"}

// String returns "unknown", "yes" or "no".
func (d Directness) String() string {
	if int(d) >= len(directnesses) {
		return fmt.Sprintf("Directness(%d)", uint8(d))
	}
	return directnesses[d]
}

// MarshalText implements encoding.TextMarshaler.
func (d Directness) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Directness) UnmarshalText(text []byte) error {
	for i, name := range directnesses {
		if name == string(text) {
			*d = Directness(i)
			return nil
		}
	}
	return fmt.Errorf("directness is yes, no or unknown, not %q", text)
}

// normal is g as a File uses it, or what is wrong with it.
func (g Geometry) normal() (Geometry, error) {
	g.MemAlign = max(g.MemAlign, 1)
	g.OffsetAlign = max(g.OffsetAlign, g.MemAlign)
	if g.MemAlign > memoryAlign || g.MemAlign&(g.MemAlign-1) != 0 || g.OffsetAlign&(g.OffsetAlign-1) != 0 {
		return g, fmt.Errorf("a device that asks for memory aligned to %d and offsets aligned to %d is not supported",
			g.MemAlign, g.OffsetAlign)
	}
	return g, nil
}
