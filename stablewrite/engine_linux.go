package stablewrite

import (
	"cmp"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"stablepages/stablewrite/internal/ring"
)

// ringEngine returns a ring, with the limits of its submissions, if there is no reason
// against one.
func (d *linuxFile) ringEngine() engine {
	if why := d.noRing(); why != "" {
		return engine{kind: ByCalls, why: why}
	}
	e := engine{kind: ByRing, why: "written directly, and io_uring is available", bytes: math.MaxInt32, pieces: maxGather}
	if d.block { // it does not split a submission that must not wait; 512 and 128 are usual lower limits
		e.bytes = min(e.bytes, cmp.Or(queueValue(d.disk, "max_sectors_kb"), 512)<<10)
		e.pieces = min(e.pieces, cmp.Or(queueValue(d.disk, "max_segments"), 128))
		e.bytes = min(e.bytes, e.pieces*os.Getpagesize())
	}
	return e
}

// noRing returns why a ring would need threads of the kernel for the file, or "". A ring
// needs none if the file is written directly, and its file system can report that a
// submission would have to wait (RWF_NOWAIT).
func (d *linuxFile) noRing() string {
	switch d.geo.Direct {
	case DirectYes:
	case DirectBounced: // the kernel may wait for memory, even with RWF_NOWAIT
		return "the kernel bounces: " + d.geo.Why
	default:
		return "not known to be written directly: " + d.geo.Why
	}
	probe := [][]byte{AlignedBuffer(max(d.geo.OffsetAlign, memoryAlign))}
	switch _, err := unix.Preadv2(d.fd, probe, 0, unix.RWF_NOWAIT); err {
	case nil, unix.EAGAIN:
	case unix.EBADF:
		return "opened for writing only: a ring needs os.O_RDWR"
	default:
		return fmt.Sprintf("a read with RWF_NOWAIT was refused: %v", err)
	}
	r, err := ring.New(1)
	if err != nil {
		return fmt.Sprintf("no io_uring: %v", err)
	}
	_ = r.Close()
	return ""
}
