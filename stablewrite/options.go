package stablewrite

import (
	"cmp"
	"fmt"
	"io/fs"

	"stablepages/crcguard"
)

// Options say how a File writes. The zero value means Verify and all defaults.
type Options struct {
	// Strategy says how a File treats changes. Default Verify.
	Strategy Strategy

	// Resubmit says how much of a changed write goes out again. Default ChangedBlocks.
	Resubmit Resubmit

	// DetectBy says how Verify and Detect notice changes. Default ByDigest. The other
	// strategies ignore it.
	DetectBy Detection

	// RequireTracking, under DetectBy ByTracking, refuses a write with ErrNotTracked if
	// the kernel does not track all of its buffer; one part of Write.Bufs is enough, such
	// as a header that is not aligned. Without it such a write is compared by the digest,
	// and its Receipt.Tracked is false. Writes from a copy, in which nothing changes, are
	// not refused, though their Receipt.Tracked is false, too: those of a Stream, and of
	// Bufs that the device does not take in one submission.
	RequireTracking bool

	// Pool supplies private memory. Default: the Pool of the process, of
	// DefaultPoolBytes, of which no File may hold more than half, unless one Write needs
	// more; see Pool.
	Pool *Pool

	// SegmentBytes is the longest submission of a summed write, in bytes: a multiple of
	// 4096, at most 1 GiB. Longer writes go out in segments of nearly equal length,
	// several at a time, so that some are summed while others are in flight; segments of
	// a write that makes the file longer go out one after the other. Default 512 KiB
	// (DefaultSegmentBytes); a Do that copies uses 256 KiB if that makes more segments.
	// The length is rounded down to whole units of the device. Copies are at most 2 MiB,
	// or as long as the Pool allows.
	SegmentBytes int

	// Engine says how submissions reach a file. Default AnyEngine.
	Engine Engine

	// Lock makes opening a file wait for an exclusive flock(2) on the descriptor that
	// the File writes through. If a process is killed, its writes on a ring may land
	// later, even after wait(2) reported its end; 50 ms later was measured. If the next
	// process opens the file with Lock, too, all of them have landed by then. A flock by
	// another File or os.File of the same process makes opening wait as well, and so does
	// one by the file given to New: for ever, if nobody releases it. NewDevice refuses
	// Lock.
	Lock bool

	// OnChanged, if not nil, is called for every write whose buffer was seen to
	// change, before Do returns or Queue.Wait returns the Write. The write holds
	// nothing of the File any more: OnChanged may Close it, or write. Calls may be
	// concurrent.
	OnChanged func(Change)

	// RequireDirect makes opening fail with ErrNotDirect if the file accepts O_DIRECT and
	// is known to be written through the page cache nevertheless. Bounced writes count as
	// direct. Opening succeeds if it is unknown how the kernel writes the file. A file
	// that refuses O_DIRECT opens only under Buffered.
	RequireDirect bool
}

// DefaultSegmentBytes was the fastest of 256, 512 and 1024 KiB for writes of 4 MiB and
// more. At 1 MiB copies were faster with half of it (BenchmarkSegments, ext4 on a virtio
// disk).
const DefaultSegmentBytes = 512 << 10

const maxSegmentBytes = 1 << 30

// Resubmit says how much of a changed write goes out again. After a failed submission
// it is always the whole segment.
type Resubmit uint8

const (
	// ChangedBlocks resubmits the 4 KiB blocks of the file that changed, adjacent ones
	// together, and with them the unchanged bytes between two of them, if these are few.
	ChangedBlocks Resubmit = iota
	// Whole resubmits all of a segment in which anything changed.
	Whole
)

// Detection says how changes between two moments, before and after a submission, are
// noticed.
type Detection uint8

const (
	// ByDigest compares CRC-32C and a second, independent sum.
	ByDigest Detection = iota
	// BySum compares CRC-32C alone, as was proposed in 2011. It misses changes of pages
	// that end in their own CRC-32C.
	BySum
	// ByTracking has the kernel note which pages of the buffer are written to (Linux 6.7
	// on amd64: userfaultfd and PAGEMAP_SCAN). It also sees changes that were restored,
	// and does not read the buffer again. The buffer must be memory of TrackedBuffer or
	// Track, aligned to 4096, and Write.Off a multiple of 4096.
	//
	// It sees every store of this process, and every write of the kernel through the
	// page table of the process (read(2) into the buffer). It does not see writes by a
	// device or the kernel through pins that were taken before the write began: buffers
	// registered with io_uring, direct reads into the buffer that were under way. While
	// File.ReadAt fills a buffer, that buffer is not tracked.
	//
	// A page that was stored to counts as changed, even if its bytes are the same. So
	// does a page that is not in memory when the kernel is asked: swapped out, about to
	// be moved (compaction, NUMA balancing), or dropped, so that zeros are there. Under
	// Detect such a page is ErrChanged though nobody stored to it: write again.
	//
	// The first store to a page while the write is under way costs the program a fault,
	// and splits the mapping of a huge page. A segment that is a part of a huge page
	// (SegmentBytes) splits it, too.
	ByTracking
)

var detections = texts[Detection]{ByDigest: "digest", BySum: "crc32c", ByTracking: "tracking"}

// String returns "digest", "crc32c" or "tracking".
func (d Detection) String() string { return detections.name(d) }

// MarshalText implements encoding.TextMarshaler.
func (d Detection) MarshalText() ([]byte, error) { return detections.marshal(d) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Detection) UnmarshalText(text []byte) error { return detections.unmarshal(d, text) }

// Validate returns an error that wraps fs.ErrInvalid if o is not valid.
func (o Options) Validate() error {
	err := cmp.Or(strategyNames.check(o.Strategy), detections.check(o.DetectBy), engines.check(o.Engine))
	switch {
	case err != nil:
	case o.Resubmit > Whole:
		err = fmt.Errorf("no such Resubmit: %d", uint8(o.Resubmit))
	case o.RequireTracking && !o.tracks():
		err = fmt.Errorf("RequireTracking needs DetectBy: ByTracking and verify or detect, not %v by %v", o.Strategy, o.DetectBy)
	case o.RequireDirect && !o.Strategy.Direct():
		err = fmt.Errorf("RequireDirect needs a direct strategy, which %v is not", o.Strategy)
	case o.SegmentBytes < 0 || o.SegmentBytes > maxSegmentBytes || o.SegmentBytes%crcguard.BlockSize != 0:
		err = fmt.Errorf("SegmentBytes %d is not a multiple of %d up to %d", o.SegmentBytes, crcguard.BlockSize, maxSegmentBytes)
	default:
		return nil
	}
	return fmt.Errorf("%w: %w", fs.ErrInvalid, err)
}

// tracks reports whether writes are to be tracked.
func (o Options) tracks() bool { return o.DetectBy == ByTracking && o.Strategy.Detects() }
