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

// Stream writes any number of bytes, one after the other, from any offset on. It copies
// all of them, so under every Strategy they are as safe as under Bounce. It writes full
// buffers while it fills the next: several at a time within the file, one at a time at
// its end. File.StreamAt makes one.
//
// Bytes outside of the written range do not change. If a Stream begins, is flushed or
// ends within a unit of the device (Geometry.OffsetAlign), that part is a submission by
// itself. On a file it goes through the page cache, by another descriptor that
// StreamAt opens, and is on the media before it counts as written. On a block device
// the unit is read and written again, so the File must be open for reading.
//
// From the first Write to Close a Stream holds up to five times Options.SegmentBytes,
// outside of the Pool. Its methods are for one goroutine. An error is final: every
// later call but Sum and Landed returns it. Only an error of the reader given to
// ReadFrom is not final.
type Stream struct {
	// BlockSums, if set before the first Write, is called with the CRC-32C of each 4
	// KiB block of the file that is on the media, in order; the first one begins at
	// off. The first and the last block of the Stream may be shorter; Close reports the
	// last. Write, ReadFrom, Flush and Close call BlockSums. It must not keep sums, and
	// may use only Sum and Landed of the Stream.
	BlockSums func(off int64, sums []uint32)

	f      *File
	q      *Queue // of flying; nil until the first launch
	start  int64
	at     int64     // where in the file the bytes of fill begin
	fill   *buffer   // nil: empty
	flying []*buffer // in order
	spare  []*buffer // to be filled again

	sum     uint32       // of all that was launched
	good    int64        // bytes from start on the media
	open    uint32       // sum of the block that good ends in
	openAt  int64        // where that block's sum begins
	pending atomic.Int64 // bytes accepted and not on the media
	err     error
	closed  bool

	reporting, misused bool // BlockSums is called; it used the Stream
}

// buffer is a part of the file on its way, in private memory.
type buffer struct {
	mem   []byte // mem[0] belongs at a multiple of the grain of the file
	lo    int    // mem[lo:hi] has bytes of the Stream
	hi    int
	sums  []uint32
	w     Write
	ended bool
}

// streamDepth is how many buffers of a Stream are in flight at a time.
const streamDepth = 4

// StreamAt returns a Stream that begins at off; the methods of the Stream return errors
// such as that of a bad off. If the Stream is not closed, its buffered bytes are lost, and
// Close of the File returns an error.
func (f *File) StreamAt(off int64) *Stream {
	s := &Stream{f: f, start: off, at: off, openAt: off}
	if s.err = f.enter("stream"); s.err != nil {
		s.closed = true
		return s
	}
	defer f.leave()
	var err error
	switch d, ok := f.dev.(interface{ openParts() error }); {
	case off < 0 || off > math.MaxInt64/2:
		err = fmt.Errorf("%w: the offset is negative or too large", fs.ErrInvalid)
	case f.readOnly:
		err = fmt.Errorf("%w: opened for reading only", fs.ErrPermission)
	case ok:
		err = d.openParts() // an error is better here than at the end of the Stream
	}
	if err != nil {
		s.err = s.wrap(err)
		return s
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
		s.err = s.wrap(fmt.Errorf("the Stream: %w", os.ErrClosed))
	}
	return s.err == nil
}

// room returns memory for the next bytes, at least one.
func (s *Stream) room() []byte {
	if s.fill == nil {
		if len(s.spare) == 0 && len(s.flying) <= streamDepth {
			n := 1 // most Streams are short
			if len(s.flying) > 0 {
				n = streamDepth // in one piece, for huge pages
			}
			for _, mem := range Buffers(n, s.f.segment) {
				s.spare = append(s.spare, &buffer{mem: mem})
			}
		}
		s.reap(streamDepth)
		last := len(s.spare) - 1
		s.fill, s.spare = s.spare[last], s.spare[:last]
		s.fill.lo = int(s.at % int64(s.f.grain()))
		s.fill.hi, s.fill.ended = s.fill.lo, false
	}
	return s.fill.mem[s.fill.hi:]
}

// Write copies p and returns when all of it is buffered or being written. n counts
// accepted bytes; Landed returns how many are on the media.
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

// ReadFrom reads r to its end, directly into private memory. An error of r is not final.
func (s *Stream) ReadFrom(r io.Reader) (n int64, err error) {
	for idle := 0; s.usable(); {
		room := s.room()
		if s.err != nil {
			break
		}
		m, err := r.Read(room)
		if m < 0 || m > len(room) {
			return n, s.wrap(errors.New("the reader returned a count that does not fit the buffer"))
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

// launch starts the write of the buffered bytes. If they make the file longer, or begin or
// end within a unit, it first waits for all earlier buffers.
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

// reap waits until at most that many buffers are on their way, or none if one failed.
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

// account adds a buffer that landed to good, and reports whole blocks.
func (s *Stream) account(b *buffer) {
	at, n, first, whole := s.start+s.good, b.hi-b.lo, s.openAt, b.sums
	if at > first { // the earlier buffer ended within this block
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
