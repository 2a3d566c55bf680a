package stablewrite

import (
	"cmp"
	"fmt"

	"stablepages/crcguard"
)

// Options say how a File writes. The zero value means Verify and all defaults.
type Options struct {
	// Strategy is what to do about changes. Default Verify.
	Strategy Strategy

	// Resubmit says how much of a changed write goes out again. Default ChangedBlocks.
	Resubmit Resubmit

	// DetectBy is how changes are noticed. Default ByDigest.
	DetectBy Detection

	// RequireTracking, under DetectBy ByTracking, refuses a write whose buffer the
	// kernel does not track, with ErrNotTracked; one part of Write.Bufs is enough, such
	// as a header that is not aligned. Otherwise its changes are noticed by the digest,
	// and Receipt.Tracked is false. A write from a copy, in which nothing changes, is not
	// refused: those of a Stream, and of Bufs that the device does not take in one
	// submission. Their Receipt.Tracked is false, too.
	RequireTracking bool

	// Pool supplies private memory. Default: the Pool of the process, of
	// DefaultPoolBytes, of which no File may hold more than half, unless one Write needs
	// more; see Pool.
	Pool *Pool

	// SegmentBytes is the longest submission of a summed write, in bytes, a
	// multiple of 4096, at most 1 GiB; longer writes go out in segments of nearly
	// equal length, several at a time, so that some are summed while others are in
	// flight. Those of a write that makes the file longer go out one after the
	// other. Default 512 KiB (DefaultSegmentBytes); a Do that copies uses 256 KiB if
	// that makes more segments. It is lowered to whole units of the device, and for copies to 2 MiB
	// or what the Pool can give.
	SegmentBytes int

	// Engine is how submissions reach a file. Default AnyEngine.
	Engine Engine

	// Lock makes opening a file wait for an exclusive flock(2) on the descriptor that
	// it is written through. What a process had in flight on a ring lands after the
	// process was killed, and after wait(2) told of that: 50 ms later was measured.
	// A successor that opens the file with Lock, too, begins when all of it has
	// landed. Another File or os.File of the same process that holds a flock on the
	// file makes it wait as well, and so does New if its f holds one: for ever if nothing
	// else gives that back. It is for files; NewDevice refuses it.
	Lock bool

	// OnChanged, if not nil, is called for every write whose buffer was seen to
	// change, before Do returns or Queue.Wait returns the Write. The write holds
	// nothing of the File any more: OnChanged may Close it, or write. It may be called
	// concurrently.
	OnChanged func(Change)

	// RequireDirect makes opening fail with ErrNotDirect if the file accepts O_DIRECT and
	// is known to be written through the page cache all the same. Bounced writes count as
	// direct. A file of which it is unknown how the kernel writes opens. A file that
	// refuses O_DIRECT opens under Buffered only.
	RequireDirect bool
}

// DefaultSegmentBytes: of 256, 512 and 1024 KiB the fastest for writes of 4 MiB and
// more; at 1 MiB copies were faster with half of it (BenchmarkSegments, ext4 on a
// virtio disk).
const DefaultSegmentBytes = 512 << 10

const maxSegmentBytes = 1 << 30

// Resubmit says how much of a changed write goes out again. After a failed submission
// it is always the whole segment.
type Resubmit uint8

const (
	ChangedBlocks Resubmit = iota // 4 KiB blocks of the file that changed, adjacent ones together
	Whole                         // the whole segment
)

// Detection says how changes between two moments, before and after a submission, are
// noticed.
type Detection uint8

const (
	// ByDigest compares CRC-32C and a second, independent sum.
	ByDigest Detection = iota
	// BySum compares CRC-32C alone, to the letter of the 2011 proposal. A page
	// that ends in its own CRC-32C can change without being seen.
	BySum
	// ByTracking has the kernel note which pages of the buffer are written to (Linux 6.7
	// on amd64: userfaultfd and PAGEMAP_SCAN). It sees changes that were restored, too,
	// and reads nothing again. It needs memory of TrackedBuffer or Track, aligned to
	// 4096, at a Write.Off that is a multiple of 4096.
	//
	// It sees every store of this process, and every write of the kernel through its
	// page table (read(2) into the buffer). It does not see writes through pins that were
	// taken before the write began, by a device or the kernel: buffers registered with
	// io_uring, direct reads into the buffer that were under way. ReadAt is known: a
	// buffer that it fills is not tracked.
	//
	// A page that was stored to counts as changed, whatever was stored. So does one that
	// is not in memory when the kernel is asked, as it cannot be known to be unchanged:
	// swapped out, about to be moved (compaction, NUMA balancing), or dropped, so that
	// zeros are there. Under Detect that is ErrChanged though nobody stored: write again.
	//
	// The first store to a page while the write is under way costs the program a fault,
	// and splits the mapping of a huge page; so does a segment that is a part of one
	// (SegmentBytes).
	ByTracking
)

var detections = texts[Detection]{ByDigest: "digest", BySum: "crc32c", ByTracking: "tracking"}

// String returns "digest", "crc32c" or "tracking".
func (d Detection) String() string { return detections.name(d) }

// MarshalText implements encoding.TextMarshaler.
func (d Detection) MarshalText() ([]byte, error) { return detections.marshal(d) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Detection) UnmarshalText(text []byte) error { return detections.unmarshal(d, text) }

// Validate reports what is wrong with o, if anything.
func (o Options) Validate() error {
	if err := cmp.Or(strategyNames.check(o.Strategy), detections.check(o.DetectBy), engines.check(o.Engine)); err != nil {
		return err
	}
	switch {
	case o.Resubmit > Whole:
		return fmt.Errorf("no such Resubmit: %d", uint8(o.Resubmit))
	case o.RequireTracking && !o.tracks():
		return fmt.Errorf("RequireTracking with the strategy %v by %v, which does not track", o.Strategy, o.DetectBy)
	case o.RequireDirect && !o.Strategy.Direct():
		return fmt.Errorf("RequireDirect with the strategy %v, which is not direct", o.Strategy)
	case o.SegmentBytes < 0 || o.SegmentBytes > maxSegmentBytes || o.SegmentBytes%crcguard.BlockSize != 0:
		return fmt.Errorf("SegmentBytes %d is not a multiple of %d up to %d", o.SegmentBytes, crcguard.BlockSize, maxSegmentBytes)
	}
	return nil
}

// tracks reports whether changes are to be noticed by tracking.
func (o Options) tracks() bool { return o.DetectBy == ByTracking && o.Strategy.Detects() }

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	if o.Pool == nil {
		o.Pool = &processPool
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.Engine == AnyEngine {
		o.Engine = defaultEngine
	}
	return o
}
