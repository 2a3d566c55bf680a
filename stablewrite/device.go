package stablewrite

import (
	"errors"
	"fmt"
)

// Device is the target of a File. Null and delayed devices, fault injection and tests
// implement it; a File on a path uses a Device of this package. Calls may be
// concurrent, except Close, which is the last.
type Device interface {
	// WriteAt submits p at off and returns when that completed. It reads p after the File
	// summed it, so p may have changed. Like pwrite it may write fewer bytes and return a
	// nil error; the File goes on from there. It does not modify or keep p.
	WriteAt(p []byte, off int64) (n int, err error)
	// ReadAt implements io.ReaderAt.
	ReadAt(p []byte, off int64) (n int, err error)
	// Sync makes durable all writes that landed before.
	Sync() error
	// Geometry returns the requirements of the Device. They do not change.
	Geometry() Geometry
	Close() error
}

// GatherWriter is a Device that accepts a write in parts.
type GatherWriter interface {
	// WriteGatherAt writes at most 1024 parts, one after the other, as WriteAt does.
	WriteGatherAt(parts [][]byte, off int64) (n int, err error)
}

// maxGather is IOV_MAX of Linux.
const maxGather = 1024

// PartWriter is a Device that can write a part of a unit. On any other Device a
// Stream must begin, be flushed and end at whole units.
type PartWriter interface {
	// WritePart writes p, which lies within one unit and may have any alignment, as
	// WriteAt does. It changes no other byte of the unit. No other write of the process
	// uses the unit meanwhile.
	WritePart(p []byte, off int64) (n int, err error)
}

// Geometry lists the alignment, in bytes, that a Device requires of submissions, and how
// the kernel writes. A File treats zero alignments as 1, and OffsetAlign as at least
// MemAlign: a part of a buffer that is aligned in the file is then aligned in memory.
type Geometry struct {
	MemAlign    int        // of a buffer's address; at most 4096
	OffsetAlign int        // of offset and length: the unit of the device
	Source      string     // where the alignment is from: "statx", "sector size", "read probe", ...
	Direct      Directness // how the kernel writes
	// Why is the reason for Direct. It begins with "assumed" if it follows from kernel
	// version, file system and device only.
	Why string
}

// Directness says how the kernel handles a write with O_DIRECT.
type Directness uint8

const (
	DirectUnknown Directness = iota
	DirectYes                // the device reads the caller's memory
	DirectNo                 // through the page cache
	DirectBounced            // the kernel copies the caller's memory, and the device reads the copy
)

var directnesses = texts[Directness]{DirectUnknown: "unknown", DirectYes: "direct", DirectNo: "buffered", DirectBounced: "bounced"}

// String returns "unknown", "direct", "buffered" or "bounced".
func (d Directness) String() string { return directnesses.name(d) }

// MarshalText implements encoding.TextMarshaler.
func (d Directness) MarshalText() ([]byte, error) { return directnesses.marshal(d) }

// UnmarshalText implements encoding.TextUnmarshaler. Old records have "yes" for "direct"
// and "no" for "buffered".
func (d *Directness) UnmarshalText(text []byte) error {
	switch string(text) {
	case "yes":
		text = []byte("direct")
	case "no":
		text = []byte("buffered")
	}
	return directnesses.unmarshal(d, text)
}

// normal returns g with defaults, or an error if no File can use it.
func (g Geometry) normal() (Geometry, error) {
	g.MemAlign = max(g.MemAlign, 1)
	g.OffsetAlign = max(g.OffsetAlign, g.MemAlign)
	if g.MemAlign > memoryAlign || g.MemAlign&(g.MemAlign-1) != 0 || g.OffsetAlign&(g.OffsetAlign-1) != 0 {
		return g, fmt.Errorf("%w: a device that asks for memory aligned to %d and offsets aligned to %d",
			errors.ErrUnsupported, g.MemAlign, g.OffsetAlign)
	}
	return g, nil
}
