package stablewrite

import (
	"fmt"

	"stablepages/crcguard"
)

// Options say how a File writes. The zero value is a File that verifies.
type Options struct {
	// Strategy is what to do about changes. Default Verify.
	Strategy Strategy

	// Resubmit is what of a changed write goes out again. Default
	// ChangedBlocks.
	Resubmit Resubmit

	// DetectBy is what blocks are compared by. Default ByDigest.
	DetectBy Detection

	// Pool is where private memory comes from. Default: one of the File's own,
	// of DefaultPoolBytes.
	Pool *Pool

	// SegmentBytes is the longest submission of a summed write, in bytes, a
	// multiple of 4096; longer writes go out in segments of nearly equal
	// length, several at a time, so that some are summed while others are in
	// flight. Those of a write that makes the file longer go out one after the
	// other. Default DefaultSegmentBytes. It is lowered to what the Pool can
	// give, and to whole units of the device.
	SegmentBytes int

	// OnChanged, if not nil, is called for every write whose buffer was seen to
	// change, before the write returns, when it holds nothing of the File any
	// more: a Close that waited for it may have returned. It may be called
	// concurrently.
	OnChanged func(Change)

	// RequireDirect makes it an error, ErrNotDirect, to open a file that is
	// known not to be written directly. Where that is unknown it is not.
	RequireDirect bool
}

const (
	// DefaultPoolBytes lets 16 writes of 1 MiB proceed at a time.
	DefaultPoolBytes = 16 << 20
	// DefaultSegmentBytes: of 128, 256 and 512 KiB and no segments at all it was
	// the fastest for writes of 1 MiB and 16 MiB one at a time, and shorter
	// writes in segments were slower than in one (BenchmarkSegments, ext4 on a
	// virtio disk).
	DefaultSegmentBytes = 512 << 10
)

// Resubmit says what of a changed write goes out again. After a submission that
// failed it is always the whole segment.
type Resubmit uint8

const (
	ChangedBlocks Resubmit = iota // 4 KiB blocks of the file that changed, adjacent ones together
	Whole                         // the whole segment
)

// Detection says what blocks are compared by, before and after a submission.
type Detection uint8

const (
	// ByDigest compares CRC-32C and a second, independent sum.
	ByDigest Detection = iota
	// BySum compares CRC-32C alone, to the letter of the 2011 proposal. A page
	// that ends in its own CRC-32C can change without being seen.
	BySum
)

var detections = [...]string{ByDigest: "digest", BySum: "crc32c"}

// String returns "digest" or "crc32c".
func (d Detection) String() string {
	if int(d) >= len(detections) {
		return fmt.Sprintf("Detection(%d)", uint8(d))
	}
	return detections[d]
}

// MarshalText implements encoding.TextMarshaler.
func (d Detection) MarshalText() ([]byte, error) {
	if int(d) >= len(detections) {
		return nil, fmt.Errorf("no such detection: %d", uint8(d))
	}
	return []byte(d.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Detection) UnmarshalText(text []byte) error {
	for i, name := range detections {
		if name == string(text) {
			*d = Detection(i)
			return nil
		}
	}
	return fmt.Errorf("unknown detection %q: there are %v", text, detections)
}

// Validate reports what is wrong with o, if anything.
func (o Options) Validate() error {
	switch {
	case !o.Strategy.valid():
		return fmt.Errorf("no such strategy: %d", uint8(o.Strategy))
	case o.Resubmit > Whole:
		return fmt.Errorf("no such Resubmit: %d", uint8(o.Resubmit))
	case o.DetectBy > BySum:
		return fmt.Errorf("no such Detection: %d", uint8(o.DetectBy))
	case o.RequireDirect && !o.Strategy.Direct():
		return fmt.Errorf("RequireDirect with the strategy %v, which is not direct", o.Strategy)
	case o.SegmentBytes < 0 || o.SegmentBytes%crcguard.BlockSize != 0:
		return fmt.Errorf("SegmentBytes %d is not a multiple of %d", o.SegmentBytes, crcguard.BlockSize)
	}
	return nil
}

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	if o.Pool == nil {
		o.Pool = NewPool(DefaultPoolBytes)
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	return o
}
