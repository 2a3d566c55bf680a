package stablewrite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync/atomic"

	"stablepages/crcguard"
)

// Stream writes bytes one after the other, of any number, from any offset on. It
// copies all of them, so that under every Strategy they are as safe as under
// Bounce, and writes one buffer while the next is filled. File.StreamAt makes
// one.
//
// No byte outside of what was written changes. Where a Stream begins, is flushed
// or ends within a unit of the device (Geometry.OffsetAlign), that part goes out
// by itself: to a file through the page cache, by a descriptor of its own that
// StreamAt opens, and it is on the media before it counts as written; to a block
// device by reading the unit and writing it again, which takes permission to
// read.
//
// A Stream has memory of its own, up to twice Options.SegmentBytes from the first
// Write to Close, which is not of the Pool. Its methods are for one goroutine.
// An error is final: every later call but Sum and Landed returns it.
type Stream struct {
	// BlockSums, if set before the first Write, is called with the CRC-32C of
	// each 4 KiB block of the file that is on the media, in order: off is where
	// in the file the first one begins. The first and the last may be shorter;
	// the last comes with Close. It is called by Write, ReadFrom, Flush and
	// Close, must keep nothing of sums, and may use nothing of the Stream but
	// Sum and Landed.
	BlockSums func(off int64, sums []uint32)

	f       *File
	start   int64
	at      int64         // where in the file what is in fill begins
	fill    *buffer       // nil until there is something to put in
	flying  *buffer       // nil if none is
	spare   []*buffer     // to be filled again; there are two in all
	landing chan struct{} // the end of run
	fly     func()        // run; go of a func value does not allocate
	span    span

	sum     uint32       // of all that was launched
	good    int64        // bytes from start on the media
	open    uint32       // sum of the block that good ends in
	openAt  int64        // where that block's sum begins
	pending atomic.Int64 // bytes accepted and not on the media
	err     error
	closed  bool

	reporting, misused bool // BlockSums is called; and used the Stream
}

// buffer is a part of the file on its way, in private memory.
type buffer struct {
	mem  []byte // mem[0] is where a grain of the file begins
	base int64  // where that is in the file
	lo   int    // mem[lo:hi] is of the Stream
	hi   int
	sums []uint32
	err  error
	died *PanicError // of the Device
}

// StreamAt returns a Stream that begins at off. Close it, or what it has
// buffered is lost, and Close of the File says so.
func (f *File) StreamAt(off int64) *Stream {
	s := &Stream{f: f, start: off, at: off, openAt: off, landing: make(chan struct{}, 1)}
	s.fly = s.run
	if s.err = f.enter(); s.err != nil {
		return s
	}
	defer f.leave()
	switch {
	case off < 0 || off > math.MaxInt64/2:
		s.err = s.wrap(fmt.Errorf("%w: no such offset", fs.ErrInvalid))
		return s
	case f.readOnly:
		s.err = s.wrap(fmt.Errorf("%w: opened for reading only", fs.ErrPermission))
		return s
	}
	if d, ok := f.dev.(interface{ openParts() error }); ok {
		if err := d.openParts(); err != nil { // better now than at the end
			s.err = s.wrap(err)
			return s
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streams == nil {
		f.streams = make(map[*Stream]struct{})
	}
	f.streams[s] = struct{}{}
	return s
}

var (
	_ io.WriteCloser = (*Stream)(nil)
	_ io.ReaderFrom  = (*Stream)(nil)
)

func (s *Stream) wrap(err error) error {
	return s.f.wrap("stream", fmt.Errorf("at %d: %w", s.at, err))
}

// usable reports whether the Stream takes more.
func (s *Stream) usable() bool {
	s.misused = s.misused || s.reporting
	if s.closed && s.err == nil {
		s.err = s.wrap(os.ErrClosed)
	}
	return s.err == nil
}

// room is where the next bytes go, at least one.
func (s *Stream) room() []byte {
	if s.fill == nil {
		if k := len(s.spare) - 1; k >= 0 {
			s.fill, s.spare = s.spare[k], s.spare[:k]
		} else {
			s.fill = s.f.newBuffer()
		}
		s.fill.place(s.at, s.f.grain())
	}
	return s.fill.mem[s.fill.hi:]
}

func (f *File) newBuffer() *buffer {
	return &buffer{mem: AlignedBuffer(max(f.grain(), f.segment/f.grain()*f.grain()))}
}

// place makes b empty, for what begins at at.
func (b *buffer) place(at int64, grain int) {
	b.lo = int(at % int64(grain))
	b.hi, b.base, b.err, b.died = b.lo, at-int64(b.lo), nil, nil
}

// Write copies p, and returns when all of it is on its way or buffered.
func (s *Stream) Write(p []byte) (n int, err error) {
	for n < len(p) && s.usable() {
		m := copy(s.room(), p[n:])
		n += m
		s.took(m)
	}
	s.usable()
	return n, s.err
}

// ReadFrom reads r to its end, straight into private memory. An error of r is
// not final.
func (s *Stream) ReadFrom(r io.Reader) (n int64, err error) {
	for idle := 0; s.usable(); {
		room := s.room()
		m, err := r.Read(room)
		if m < 0 || m > len(room) {
			return n, s.wrap(errors.New("the reader returned an impossible count"))
		}
		n += int64(m)
		s.took(m)
		if idle++; m > 0 {
			idle = 0
		}
		switch {
		case err == io.EOF:
			s.usable()
			return n, s.err
		case err != nil:
			return n, err
		case idle == maxIdle:
			return n, io.ErrNoProgress
		}
	}
	return n, s.err
}

// took accounts for n bytes put into the room, and launches a full buffer.
func (s *Stream) took(n int) {
	s.fill.hi += n
	s.pending.Add(int64(n))
	if s.fill.hi == len(s.fill.mem) {
		s.launch()
	}
}

// Flush returns when all that was written is on the media, as a following Sync
// of the File makes durable, and can be read.
func (s *Stream) Flush() error {
	if s.usable() && s.fill != nil && s.fill.hi > s.fill.lo {
		s.launch()
	}
	s.reap()
	return s.err
}

// Close flushes and ends the Stream. It neither syncs nor closes the File.
func (s *Stream) Close() error {
	if s.closed || s.reporting {
		s.usable()
		return s.err
	}
	defer s.end()
	if s.Flush() == nil && s.start+s.good > s.openAt {
		s.report(s.openAt, []uint32{s.open})
	}
	return s.err
}

func (s *Stream) end() {
	s.sum, s.closed = s.Sum(), true
	s.fill, s.spare = nil, nil
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	delete(s.f.streams, s)
}

// Sum is the CRC-32C of all bytes that Write and ReadFrom accepted.
func (s *Stream) Sum() uint32 {
	if s.fill == nil {
		return s.sum
	}
	return crcguard.Update(s.sum, s.fill.mem[s.fill.lo:s.fill.hi])
}

// Landed is how many bytes, from where the Stream began, are known to be on the
// media. It is what was written, after Flush without an error.
func (s *Stream) Landed() int64 { return s.good }

// launch sends what is buffered on its way, once what was before it landed.
func (s *Stream) launch() {
	if s.reap(); s.err != nil {
		return
	}
	if s.err = s.f.enter(); s.err != nil {
		return
	}
	b := s.fill
	data := b.mem[b.lo:b.hi]
	if blocks := crcguard.BlocksAt(s.at, len(data)); cap(b.sums) < blocks {
		b.sums = make([]uint32, blocks)
	} else {
		b.sums = b.sums[:blocks]
	}
	s.sum = crcguard.Combine(s.sum, crcguard.ChecksumBlocksAt(data, s.at, b.sums), int64(len(data)))
	s.at += int64(len(data))
	s.fill, s.flying = nil, b
	go s.fly()
}

// reap waits for the buffer on its way, if there is one.
func (s *Stream) reap() {
	b := s.flying
	if b == nil {
		return
	}
	<-s.landing
	s.flying, s.spare = nil, append(s.spare, b)
	if b.died != nil {
		s.err = s.wrap(errors.New("the Device panicked"))
		panic(b.died)
	}
	if s.err = b.err; s.err == nil {
		s.account(b)
	}
}

// account adds what landed to what is good, and reports whole blocks.
func (s *Stream) account(b *buffer) {
	at, n, first, whole := s.start+s.good, b.hi-b.lo, s.openAt, b.sums
	if at > first { // the block that the buffer before ended in goes on
		b.sums[0] = crcguard.Combine(s.open, b.sums[0], int64(min(n, crcguard.BlockSize-int(at%crcguard.BlockSize))))
	}
	s.good += int64(n)
	s.openAt = at + int64(n)
	if into := s.openAt % crcguard.BlockSize; into != 0 {
		last := len(b.sums) - 1
		whole, s.open = b.sums[:last], b.sums[last]
		s.openAt = max(first, s.openAt-into)
	}
	if len(whole) > 0 {
		s.report(first, whole)
	}
}

var errReport = errors.New("stablewrite: BlockSums panicked, or used the Stream")

// report calls BlockSums. If that panics, or uses the Stream, the Stream stays
// broken.
func (s *Stream) report(off int64, sums []uint32) {
	if s.BlockSums == nil {
		return
	}
	s.err, s.reporting = errReport, true
	defer func() { s.reporting = false }()
	s.BlockSums(off, sums)
	if !s.misused {
		s.err = nil
	}
}

// run writes the buffer on its way.
func (s *Stream) run() {
	b := s.flying
	defer func() {
		s.f.leave()
		s.landing <- struct{}{}
	}()
	catch(&b.died, func() {
		if b.err = s.f.writeBuffer(b, &s.span); b.err == nil {
			s.pending.Add(int64(b.lo - b.hi))
		}
	})
}

// writeBuffer writes b: whole units as they are, and the parts of units that it
// may begin and end with by themselves.
func (f *File) writeBuffer(b *buffer, locked *span) error {
	unit := f.geo.OffsetAlign
	lo := min(roundUp(b.lo, unit), b.hi)
	hi := max(b.hi/unit*unit, lo)
	f.hold(locked, b.base+int64(b.lo/unit*unit), b.base+int64(roundUp(b.hi, unit)))
	defer f.lock.unlock(locked)
	pieces := [...]op{b.piece(b.lo, lo), b.piece(lo, hi), b.piece(hi, b.hi)}
	good, calls := 0, 0
	var err error
	for i := range pieces {
		o := &pieces[i]
		if len(o.buf) == 0 {
			continue
		}
		if i == 1 {
			calls += f.submit(o)
		} else {
			calls++
			o.n, o.err = f.submitPart(o)
		}
		if good, err = good+o.n, o.err; err != nil {
			n := b.hi - b.lo
			err = &WriteError{Name: f.name, Off: b.base + int64(b.lo), Len: n, Good: good, Spoiled: n - good, Attempt: 1, Err: err}
			break
		}
	}
	f.stats.stream(b.hi-b.lo, calls, err)
	return err
}

func (b *buffer) piece(lo, hi int) op { return op{buf: b.mem[lo:hi], off: b.base + int64(lo)} }

// submitPart writes a part of one unit.
func (f *File) submitPart(o *op) (int, error) {
	d, ok := f.dev.(PartWriter)
	if !ok {
		return 0, fmt.Errorf("%w: this Device takes whole units of %d", ErrUnaligned, f.geo.OffsetAlign)
	}
	n, err := d.WritePart(o.buf, o.off)
	switch {
	case n < 0 || n > len(o.buf):
		return 0, errCount
	case err == nil && n < len(o.buf):
		return n, io.ErrShortWrite
	case isMedia(err):
		return 0, err
	}
	return n, err
}
