package stablewrite

import (
	"cmp"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"stablepages/stablewrite/internal/ring"
)

// ringEngine says whether a ring submits writes of the file without a thread of
// the kernel's: it is written directly, and its file system can say that it would
// have to wait (RWF_NOWAIT).
func (d *linuxFile) ringEngine() engine {
	calls := engine{kind: ByCalls}
	switch d.geo.Direct {
	case DirectYes:
	case DirectBounced: // which may have to wait for memory, whatever is said of waiting
		calls.why = "the kernel bounces: " + d.geo.Why
		return calls
	default:
		calls.why = "not known to be written directly: " + d.geo.Why
		return calls
	}
	// A read tells whether what must not wait is taken.
	probe := [][]byte{AlignedBuffer(max(d.geo.OffsetAlign, memoryAlign))}
	switch _, err := unix.Preadv2(d.fd, probe, 0, unix.RWF_NOWAIT); err {
	case nil, unix.EAGAIN:
	case unix.EBADF:
		calls.why = "opened for writing only: a ring needs os.O_RDWR"
		return calls
	default:
		calls.why = fmt.Sprintf("a read with RWF_NOWAIT was refused: %v", err)
		return calls
	}
	r, err := ring.New(1)
	if err != nil {
		calls.why = fmt.Sprintf("no io_uring: %v", err)
		return calls
	}
	_ = r.Close()
	e := engine{kind: ByRing, why: "direct, and io_uring is to be had", bytes: math.MaxInt32, pieces: maxGather}
	if d.block { // which refuses to split what must not wait; these are the smallest usual limits
		e.bytes = min(e.bytes, cmp.Or(queueValue(d.disk, "max_sectors_kb"), 512)<<10)
		e.pieces = min(e.pieces, cmp.Or(queueValue(d.disk, "max_segments"), 128))
		e.bytes = min(e.bytes, e.pieces*os.Getpagesize())
	}
	return e
}
