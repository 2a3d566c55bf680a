package stablewrite

import (
	"errors"
	"io"
	"syscall"

	"stablepages/crcguard"
)

// segment is a part of a Write under way, which goes out as one submission. Its steps
// read and copy memory and return the next submission. They never block, start a
// goroutine or call a device, so a ring, blocking calls and a simulated device run the
// same code.
type segment struct {
	parts   [][]byte // the caller's memory
	n       int      // bytes of all parts
	off     int64
	private []byte // of the Pool: n bytes if the strategy copies first, else for a resubmission
	aligned bool   // the device takes the parts without a copy
	whole   bool   // Options.Resubmit is Whole
	strict  bool   // Options.RequireTracking
	ready   bool   // private memory of a Stream, which has its sums: goes out without a copy
	unit    int    // Geometry.OffsetAlign, a power of two; 1 for a part of a unit
	gap     int    // the longest run of unchanged bytes that goes out with changed ones around it
	steps   strategy
	guard   detector
	copies  func(dst, src []byte, off int64, sums []uint32) uint32 // of caller memory
	of      *progress                                              // the write; nil in the explorer
	index   int                                                    // among its segments
	memory  loan                                                   // for a resubmission

	op      op
	stable  bool // private memory is submitted
	kept    bool // until the segments before it went out
	changed []Extent
	again   []Extent // to be resubmitted

	sums []uint32 // of the bytes on the media, by block of the file
	result
	counts Receipt
}

// result is the outcome of a segment, so far.
type result struct {
	sum     uint32 // of the first good bytes
	good    int    // bytes from the start that are on the media as summed
	attempt int    // 1: first submission; 2: resubmissions; 0: none yet
	err     error
}

// op is one submission and its result.
type op struct {
	bufs  [][]byte
	len   int
	off   int64
	n     int // bytes that landed; 0 after EIO and EILSEQ, which leave that unknown
	err   error
	panic *PanicError // of the Device
	seg   *segment
	one   [1][]byte
	rest  [][]byte // storage for the rest of a short write
	iov   iovecs   // of bufs, for a system call
	goes  func()   // run; go of a func value does not allocate
}

// strategy has the two steps in which strategies differ.
type strategy interface {
	begin(*segment) error  // sets the first submission; fails if it cannot read caller memory
	landed(*segment) error // after a submission of caller memory: sets again, or fails
}

// detector notices changes, as a crcguard.Guard does. A tracking is one, and so is the
// simulation of the explorer.
type detector interface {
	use(Detection)
	ArmPartsAt(parts [][]byte, off int64) uint32
	Sums() []uint32
	AppendChangedParts(dst []Extent, parts [][]byte) []Extent
	tracks() bool // after ArmPartsAt: restored changes are seen, too
	release()     // undoes ArmPartsAt
}

// start takes the first step, and returns the first submission, or nil if the segment is
// done.
func (s *segment) start() *op {
	s.stable, s.changed, s.again, s.result, s.counts = false, s.changed[:0], s.again[:0], result{}, Receipt{}
	if s.err = s.steps.begin(s); s.err != nil {
		return nil
	}
	return &s.op
}

// ended takes the step after a submission, and returns the next submission. It returns
// nil if the segment is done or wants private memory.
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
	case len(s.again) == 0:
		s.good = s.n
	case len(s.private) > 0:
		return s.resubmit()
	}
	return nil
}

// wants returns how many bytes of private memory the segment waits for.
func (s *segment) wants() (n int) {
	if len(s.private) > 0 {
		return 0
	}
	for _, e := range s.again {
		n += e.Len
	}
	return n
}

// submit sets the submission to n bytes of bufs at off.
func (s *segment) submit(bufs [][]byte, n int, off int64) {
	o := &s.op
	o.bufs, o.len, o.off, o.n, o.err, o.seg = bufs, n, off, 0, nil, s
	s.attempt = min(s.attempt+1, 2)
}

// submitPrivate sets the submission to private memory.
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
	if err == nil {
		s.sum = sum
		s.submitPrivate(s.private[:s.n], s.off)
	}
	return err
}

// resubmit copies the first extent of again, or as much of it as private memory holds,
// and submits the copy. It submits one extent at a time: if the device fails, the others
// are not touched.
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

// grain is the length that submissions are divided by: whole blocks, which have sums,
// and whole units of the device.
func (s *segment) grain() int { return max(crcguard.BlockSize, s.unit) }

// joinGap is the gap of segments. Joined writes had 1.22 of the throughput of separate
// ones across gaps of 28 KiB, and 0.87 across gaps of 60 KiB (BenchmarkScattered, ext4 on
// a virtio disk).
const joinGap = 32 << 10

// join extends the extents of again to whole units of the device, and joins extents with
// at most gap bytes between them.
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

// fail ends a segment whose first good bytes are on the media as summed. It rounds them
// down to whole blocks, which have sums, and to whole units of the device, so that a
// caller can go on there.
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

// forget drops references to memory of others.
func (s *segment) forget() {
	clear(s.parts[:cap(s.parts)])
	s.parts, s.private, s.sums, s.err = s.parts[:0], nil, nil, nil
	clear(s.op.rest[:cap(s.op.rest)])
	s.op.iov.forget()
	s.op.bufs, s.op.one[0], s.op.panic, s.op.err = nil, nil, nil, nil
}

// landed accounts for n bytes of the rest of o that landed, as the device says. It
// reports whether more is to be submitted: after a short write, the bytes that follow
// the last whole unit.
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
	case isMedia(err): // nothing of a submission that failed is known to have landed
		o.n = 0
	}
	o.err = err
	return false
}

// left returns the part of o that has not landed.
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

var errCount = errors.New("the Device returned a count that does not fit the buffer")

// isIntegrity reports whether a device refused data because a guard tag computed before
// did not match. It proves that the buffer changed, even if our sums are equal.
func isIntegrity(err error) bool { return errors.Is(err, syscall.EILSEQ) }

// isMedia reports whether a change in flight can cause err.
func isMedia(err error) bool { return isIntegrity(err) || errors.Is(err, syscall.EIO) }
