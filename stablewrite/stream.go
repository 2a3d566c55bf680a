package stablewrite

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"sync/atomic"

	"stablepages/crcguard"
)

// Stream writes bytes one after the other, of any number, from any offset on. It
// copies all of them, so they are as safe as under Bounce whatever the Strategy. It
// writes full buffers while it fills the next: several at a time within the file, one
// at a time at its end. File.StreamAt makes one.
//
// Bytes outside of the written range do not change. If a Stream begins, is flushed or
// ends within a unit of the device (Geometry.OffsetAlign), that part goes out by
// itself. On a file it goes through the page cache, by another descriptor that
// StreamAt opens, and is on the media before it counts as written. On a block device
// the unit is read and written again, so the File must be open for reading.
//
// From the first Write to Close a Stream holds up to five times Options.SegmentBytes,
// outside of the Pool. Its methods are for one goroutine. An error is final: every
// later call but Sum and Landed returns it. Only an error of the reader given to
// ReadFrom is not final.
type Stream struct {
	// BlockSums, if set before the first Write, is called with the CRC-32C of
	// each 4 KiB block of the file that is on the media, in order: off is where
	// in the file the first one begins. The first and the last may be shorter;
	// the last comes with Close. It is called by Write, ReadFrom, Flush and
	// Close, must keep nothing of sums, and may use nothing of the Stream but
	// Sum and Landed.
	BlockSums func(off int64, sums []uint32)

	f      *File
	q      *Queue // of what is flying; nil until something is
	start  int64
	at     int64     // where in the file what is in fill begins
	fill   *buffer   // nil until there is something to put in
	flying []*buffer // in order
	spare  []*buffer // to be filled again

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
	mem   []byte // mem[0] is where a grain of the file begins
	lo    int    // mem[lo:hi] is of the Stream
	hi    int
	sums  []uint32
	w     Write
	ended bool
}

// streamDepth is how many buffers of a Stream are in flight at a time.
const streamDepth = 4

// StreamAt returns a Stream that begins at off. If it is not closed, its buffered
// bytes are lost, and Close of the File returns an error.
func (f *File) StreamAt(off int64) *Stream {
	s := &Stream{f: f, start: off, at: off, openAt: off}
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
		if len(s.spare) == 0 && len(s.flying) <= streamDepth {
			s.makeBuffers()
		}
		s.reap(streamDepth)
		last := len(s.spare) - 1
		s.fill, s.spare = s.spare[last], s.spare[:last]
		s.fill.lo = int(s.at % int64(s.f.grain()))
		s.fill.hi, s.fill.ended = s.fill.lo, false
	}
	return s.fill.mem[s.fill.hi:]
}

// makeBuffers makes the first buffer alone, and the others in one piece, for huge
// pages: most Streams are short.
func (s *Stream) makeBuffers() {
	n := 1
	if len(s.flying) > 0 {
		n = streamDepth
	}
	for _, mem := range Buffers(n, s.f.segment) {
		s.spare = append(s.spare, &buffer{mem: mem})
	}
}

// Write copies p and returns when all of it is buffered or being written. n counts
// accepted bytes; Landed says how many are on the media.
func (s *Stream) Write(p []byte) (n int, err error) {
	for n < len(p) && s.usable() {
		room := s.room()
		if s.err != nil {
			break
		}
		m, err := copyPlain(room, p[n:])
		if err != nil { // memory of the caller that cannot be read
			s.err = s.wrap(err)
			break
		}
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
		if s.err != nil {
			break
		}
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

// Flush waits until all that was written can be read back; Sync of the File then
// makes it durable.
func (s *Stream) Flush() error {
	if s.usable() && s.fill != nil && s.fill.hi > s.fill.lo {
		s.launch()
	}
	s.reap(0)
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
	if s.q != nil {
		_ = s.q.Close() // a ring on which nothing is in flight
	}
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

// Landed returns how many bytes, from the start of the Stream, are known to be on the
// media. After Flush without an error that is all that was written.
func (s *Stream) Landed() int64 { return s.good }

// launch sends what is buffered on its way. What makes the file longer, or begins
// or ends within a unit, waits for all that was before it.
func (s *Stream) launch() {
	b := s.fill
	data := b.mem[b.lo:b.hi]
	most := streamDepth - 1
	if s.f.isPart(s.at, len(data)) || s.f.extends(s.at+int64(len(data))) {
		most = 0
	}
	if s.reap(most); s.err != nil {
		return
	}
	blocks := crcguard.BlocksAt(s.at, len(data))
	b.sums = slices.Grow(b.sums[:0], blocks)[:blocks]
	sum := crcguard.Combine(s.sum, crcguard.ChecksumBlocksAt(data, s.at, b.sums), int64(len(data)))
	b.w.Buf, b.w.Off, b.w.Tag = data, s.at, b
	if s.q == nil {
		s.q = s.f.Queue(streamDepth)
	}
	if s.err = s.q.start(&b.w, &s.pending); s.err != nil {
		return
	}
	s.sum, s.fill = sum, nil
	s.at += int64(len(data))
	s.flying = append(s.flying, b)
}

// reap waits until at most so many buffers are on their way, or none if one failed.
func (s *Stream) reap(most int) {
	var died *PanicError
	for len(s.flying) > most || s.err != nil && len(s.flying) > 0 {
		w := s.q.take()
		died = cmp.Or(died, w.state.panic)
		s.land(w.Tag.(*buffer))
	}
	if died != nil {
		panic(died)
	}
}

// land accounts for the buffers that ended, in order.
func (s *Stream) land(b *buffer) {
	b.ended = true
	for len(s.flying) > 0 && s.flying[0].ended {
		b := s.flying[0]
		s.flying = append(s.flying[:0], s.flying[1:]...)
		s.spare = append(s.spare, b)
		switch p, died := b.w.Err.(*PanicError); {
		case s.err != nil:
		case died:
			s.err = s.wrap(fmt.Errorf("the Device panicked: %v", p.Value))
		case b.w.Err != nil:
			s.err = b.w.Err
		default:
			s.account(b)
		}
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
