package stablewrite

import (
	"errors"
	"io"
	"syscall"

	"stablepages/crcguard"
)

// segment is a part of a Write under way, which goes out as one submission. Its
// steps read and copy memory and say what to submit next; they never block, start
// a goroutine or call a device. Whatever runs them (a ring, blocking calls, a
// simulated device) runs the same code.
//
// A strategy is what is different in these steps: what goes out first, and what
// to do once that landed.
type segment struct {
	parts   [][]byte // the caller's memory
	n       int      // bytes of all parts
	off     int64
	private []byte // from the Pool: as long as n if the strategy copies first, else what a resubmission was given
	aligned bool   // the device takes the parts as they are
	whole   bool   // Options.Resubmit is Whole
	strict  bool   // Options.RequireTracking
	ready   bool   // private memory of a Stream, whose sums are known: goes out without a copy
	unit    int    // Geometry.OffsetAlign, a power of two; 1: a part of that
	gap     int    // the longest run of unchanged bytes that goes out with changed ones around it
	steps   strategy
	guard   detector
	mem     memory
	of      *progress // the write; nil in the explorer
	index   int       // among its segments
	memory  loan      // for a resubmission

	op      op
	attempt int  // 1: first submission; 2: resubmissions; 0: none yet
	stable  bool // what is submitted is private memory
	kept    bool // until the segments before it went out
	changed []Extent
	again   []Extent // what is still to be resubmitted

	sums   []uint32 // of what is on the media, by block of the file
	sum    uint32   // of the first good bytes
	good   int      // bytes from the start that are on the media as summed
	err    error
	counts Receipt
}

// op is one submission and its result.
type op struct {
	bufs  [][]byte
	len   int
	off   int64
	n     int // bytes that landed; after EIO or EILSEQ none is known to have
	err   error
	panic *PanicError // of the Device
	seg   *segment
	one   [1][]byte
	rest  [][]byte // storage of what a short write left
	iov   iovecs   // of bufs, for a system call
	goes  func()   // run; go of a func value does not allocate
}

// strategy is the two steps in which strategies differ.
type strategy interface {
	begin(*segment) error  // sets the first submission; an error: it could not read caller memory
	landed(*segment) error // of caller memory: sets what goes out again; nil and nothing to go out: it is good
}

// detector notices changes, as a crcguard.Guard does: tracking, or a simulation.
type detector interface {
	use(Detection)
	ArmPartsAt(parts [][]byte, off int64) uint32
	Sums() []uint32
	AppendChangedParts(dst []Extent, parts [][]byte) []Extent
	tracks() bool // from ArmPartsAt on: restored changes are seen, too
	release()     // ends what ArmPartsAt began
}

// memory is how caller memory is copied, so that a simulation can step in.
type memory interface {
	copyBlocks(dst, src []byte, off int64, sums []uint32) uint32
}

// start takes the first step, and returns what to submit; nil: the segment is
// done.
func (s *segment) start() *op {
	s.attempt, s.stable, s.changed, s.again = 0, false, s.changed[:0], s.again[:0]
	s.sum, s.good, s.err, s.counts = 0, 0, nil, Receipt{}
	if s.err = s.steps.begin(s); s.err != nil {
		return nil
	}
	return &s.op
}

// ended takes the step that the end of a submission asks for, and returns what to
// submit next; nil: the segment is done, or asks for private memory (wants).
func (s *segment) ended() *op {
	o := &s.op
	if s.attempt > 1 {
		s.counts.Resubmitted += int64(o.len)
	}
	if isIntegrity(o.err) {
		s.counts.Refused++
	}
	switch {
	case o.panic != nil:
		s.fail(0, o.panic)
	case s.stable && o.err != nil:
		s.fail(int(o.off-s.off)+o.n, o.err)
	case !s.stable:
		if err := s.steps.landed(s); err != nil {
			s.again = s.again[:0]
			s.fail(0, err)
		}
	}
	switch {
	case s.err != nil:
		s.again = s.again[:0]
		return nil
	case len(s.again) == 0:
		s.good = s.n
		return nil
	case len(s.private) == 0:
		return nil
	}
	return s.resubmit()
}

// wants is how many bytes of private memory the segment waits for.
func (s *segment) wants() (n int) {
	if len(s.private) > 0 {
		return 0
	}
	for _, e := range s.again {
		n += e.Len
	}
	return n
}

// submit makes the submission one of bufs at off.
func (s *segment) submit(bufs [][]byte, n int, off int64) {
	o := &s.op
	o.bufs, o.len, o.off, o.n, o.err, o.seg = bufs, n, off, 0, nil, s
	s.attempt = min(s.attempt+1, 2)
}

// submitPrivate is submit of private memory.
func (s *segment) submitPrivate(buf []byte, off int64) {
	s.stable = true
	s.op.one[0] = buf
	s.submit(s.op.one[:], len(buf), off)
}

// bounce copies the whole segment and submits the copy.
func (s *segment) bounce() error {
	if s.ready {
		s.submitPrivate(s.parts[0], s.off)
		return nil
	}
	sum, err := s.copy(s.private, Extent{Off: 0, Len: s.n})
	if err != nil {
		return err
	}
	s.sum = sum
	s.submitPrivate(s.private[:s.n], s.off)
	return nil
}

// resubmit copies of what is to go out again as much as there is memory for, from
// its start, and submits the copy: one extent at a time, so that nothing more goes
// to a device that fails.
func (s *segment) resubmit() *op {
	e := &s.again[0]
	now := Extent{Off: e.Off, Len: min(e.Len, len(s.private))}
	if e.Off, e.Len = e.Off+now.Len, e.Len-now.Len; e.Len == 0 {
		s.again = append(s.again[:0], s.again[1:]...)
	} else if into := int((s.off + int64(e.Off)) % int64(s.grain())); into != 0 {
		now.Len, e.Off, e.Len = now.Len-into, e.Off-into, e.Len+into // whole blocks
	}
	if _, err := s.copy(s.private, now); err != nil {
		s.again = s.again[:0]
		s.fail(0, err)
		return nil
	}
	s.submitPrivate(s.private[:now.Len], s.off+int64(now.Off))
	s.sum = s.sumOf(s.n)
	return &s.op
}

// grain is the least that submissions are divided at: whole blocks, which have
// sums, and whole units of the device.
func (s *segment) grain() int { return max(crcguard.BlockSize, s.unit) }

// joinGap is segment.gap. Joined writes had 1.22 of the throughput of separate ones
// across gaps of 28 KiB, and 0.87 across gaps of 60 (BenchmarkScattered, ext4 on a
// virtio disk).
const joinGap = 32 << 10

// join makes the extents of again whole units of the device, and one of those
// between which little lies.
func (s *segment) join() {
	joined := s.again[:0]
	for _, e := range s.again {
		lo, hi := e.Off, e.Off+e.Len
		if s.unit > crcguard.BlockSize {
			lo, hi = lo&^(s.unit-1), min(s.n, roundUp(hi, s.unit))
		}
		if k := len(joined) - 1; k >= 0 && lo-joined[k].Off-joined[k].Len <= s.gap {
			joined[k].Len = hi - joined[k].Off
		} else {
			joined = append(joined, Extent{Off: lo, Len: hi - lo})
		}
	}
	s.again = joined
}

// fail ends a segment of which only the first good bytes are on the media as
// summed. They are rounded down to whole blocks, which have sums, and to whole
// units of the device, from which a caller can go on.
func (s *segment) fail(good int, err error) {
	if good < s.n && !s.ready {
		good = max(0, good-int((s.off+int64(good))%int64(s.grain())))
	}
	s.good, s.err = good, err
	if s.sums != nil {
		s.sum = s.sumOf(good)
	}
}

// sumOf combines the block sums of the first n bytes, whole blocks.
func (s *segment) sumOf(n int) (sum uint32) {
	for i, at := 0, 0; at < n; i++ {
		block := min(n-at, crcguard.BlockSize-int((s.off+int64(at))%crcguard.BlockSize))
		sum = crcguard.Combine(sum, s.sums[i], int64(block))
		at += block
	}
	return sum
}

// forget lets go of memory that is not the segment's.
func (s *segment) forget() {
	clear(s.parts[:cap(s.parts)])
	s.parts, s.private, s.sums, s.err = s.parts[:0], nil, nil, nil
	clear(s.op.rest[:cap(s.op.rest)])
	s.op.iov.forget()
	s.op.bufs, s.op.one[0], s.op.panic, s.op.err = nil, nil, nil, nil
}

// landed accounts for n bytes that the device says landed of what was left of o.
// It reports whether more is to be submitted: of a short write, what follows the
// last whole unit.
func (o *op) landed(n int, err error) (more bool) {
	if n < 0 || n > o.len-o.n {
		n, err = 0, errCount
	}
	before := o.n
	o.n += n
	if o.n < o.len {
		o.n -= o.n % o.seg.unit
	}
	switch {
	case o.n == o.len && err == nil:
		return false
	case err == nil && o.n > before:
		return true
	case err == nil:
		err = io.ErrShortWrite
	}
	o.err = err
	if isMedia(err) { // nothing of a submission that failed is known to have landed
		o.n = 0
	}
	return false
}

// left is what of o has not landed.
func (o *op) left() [][]byte {
	if o.n == 0 {
		return o.bufs
	}
	o.rest = o.rest[:0]
	at := 0
	for _, b := range o.bufs {
		if end := at + len(b); end > o.n {
			o.rest = append(o.rest, b[max(0, o.n-at):])
		}
		at += len(b)
	}
	return o.rest
}

var errCount = errors.New("the device returned an impossible count")

// isIntegrity reports whether a device refused data because a guard computed
// before did not match: proof that the buffer changed, whatever our sums say.
func isIntegrity(err error) bool { return errors.Is(err, syscall.EILSEQ) }

// isMedia reports whether err says that data was not written, in a way that a
// change in flight can cause.
func isMedia(err error) bool { return isIntegrity(err) || errors.Is(err, syscall.EIO) }
