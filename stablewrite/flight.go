package stablewrite

import (
	"errors"
	"syscall"

	"stablepages/crcguard"
)

// A strategy is a pair of step functions. They read and copy memory and say
// what to submit next; they never block, start a goroutine or call a device.
// Whatever drives them (system calls, a simulated device) runs the same code.
type strategy interface {
	begin(*flight)  // sets the first submissions
	landed(*flight) // reads their results; sets further ones, or none: done
}

// flight is one segment of a Write under way.
type flight struct {
	p       []byte // the caller's memory
	off     int64
	private []byte // from the Pool, at least as long as p; nil if not needed
	aligned bool   // the device takes p as it is
	whole   bool   // Options.Resubmit is Whole
	unit    int    // Geometry.OffsetAlign, a power of two
	guard   detector
	mem     memory
	of      *overlap // the other segments of the write; nil if it is alone
	index   int      // among them

	ops     []op // submissions of this round
	attempt int  // rounds begun
	stable  bool // what was submitted in this round is private memory
	changed []Extent
	again   []Extent // what is being resubmitted

	sums []uint32 // of what is on the media, by block of the file
	sum  uint32   // of the first good bytes
	good int      // bytes from the start that are on the media as summed
	err  error
}

// op is one submission and its result.
type op struct {
	buf []byte
	off int64
	n   int // bytes that landed; after EIO or EILSEQ none is known to have
	err error
}

// detector notices changes: a crcguard.Guard, or what tells more.
type detector interface {
	ArmAt(p []byte, off int64) uint32
	Sums() []uint32
	AppendChanged(dst []Extent, p []byte) []Extent
}

// memory is how caller memory is copied, so that a simulation can step in.
type memory interface {
	copyBlocks(dst, src []byte, off int64, sums []uint32) uint32
}

type plainMemory struct{}

func (plainMemory) copyBlocks(dst, src []byte, off int64, sums []uint32) uint32 {
	return crcguard.CopyBlocksAt(dst, src, off, sums)
}

// forget lets go of memory that is not the flight's.
func (fl *flight) forget() {
	clear(fl.ops[:cap(fl.ops)])
	fl.p, fl.private, fl.sums, fl.ops, fl.of = nil, nil, nil, fl.ops[:0], nil
}

// submit makes ops one submission of buf at off.
func (fl *flight) submit(buf []byte) {
	fl.ops = append(fl.ops[:0], op{buf: buf, off: fl.off})
}

// bounce copies the whole segment and submits the copy.
func (fl *flight) bounce() {
	fl.stable = true
	fl.sum = fl.mem.copyBlocks(fl.private, fl.p, fl.off, fl.sums)
	fl.submit(fl.private[:len(fl.p)])
}

// resubmit copies the extents of fl.again and submits the copies, in order.
func (fl *flight) resubmit() {
	fl.stable = true
	fl.ops = fl.ops[:0]
	for _, e := range fl.again {
		off, dst := fl.off+int64(e.Off), fl.private[e.Off:e.Off+e.Len]
		first := crcguard.BlocksAt(fl.off, e.Off)
		fl.mem.copyBlocks(dst, fl.p[e.Off:e.Off+e.Len], off, fl.sums[first:])
		fl.ops = append(fl.ops, op{buf: dst, off: off})
	}
	fl.sum = fl.sumOf(len(fl.p))
}

// widen makes the extents of fl.again whole units of a device whose unit is
// larger than a block. Extents that then touch become one.
func (fl *flight) widen() {
	if fl.unit <= crcguard.BlockSize {
		return
	}
	wide := fl.again[:0]
	for _, e := range fl.again {
		lo, hi := e.Off&^(fl.unit-1), min(len(fl.p), (e.Off+e.Len+fl.unit-1)&^(fl.unit-1))
		if k := len(wide) - 1; k >= 0 && wide[k].Off+wide[k].Len >= lo {
			wide[k].Len = hi - wide[k].Off
		} else {
			wide = append(wide, Extent{Off: lo, Len: hi - lo})
		}
	}
	fl.again = wide
}

// settle ends a flight whose memory was stable: what landed is what was summed.
func (fl *flight) settle() {
	for i := range fl.ops {
		if o := &fl.ops[i]; o.err != nil {
			fl.fail(int(o.off-fl.off)+o.n, o.err)
			return
		}
	}
	fl.done()
}

// done ends a flight without error.
func (fl *flight) done() { fl.good, fl.ops = len(fl.p), fl.ops[:0] }

// fail ends a flight of which only the first good bytes are on the media as
// summed. They are rounded down to whole blocks, which have sums, and to whole
// units of the device, from which a caller can go on.
func (fl *flight) fail(good int, err error) {
	if good < len(fl.p) {
		good = max(0, good-int((fl.off+int64(good))%int64(max(crcguard.BlockSize, fl.unit))))
	}
	fl.good, fl.err, fl.sum, fl.ops = good, err, fl.sumOf(good), fl.ops[:0]
}

// sumOf combines the block sums of the first n bytes, whole blocks.
func (fl *flight) sumOf(n int) (sum uint32) {
	for i, at := 0, 0; at < n; i++ {
		block := min(n-at, crcguard.BlockSize-int((fl.off+int64(at))%crcguard.BlockSize))
		sum = crcguard.Combine(sum, fl.sums[i], int64(block))
		at += block
	}
	return sum
}

// isIntegrity reports whether a device refused data because a guard computed
// before did not match: proof that the buffer changed, whatever our sums say.
func isIntegrity(err error) bool { return errors.Is(err, syscall.EILSEQ) }

// isMedia reports whether err says that data was not written, in a way that a
// change in flight can cause.
func isMedia(err error) bool { return isIntegrity(err) || errors.Is(err, syscall.EIO) }
