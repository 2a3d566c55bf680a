package stablewrite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime/debug"
	"sync/atomic"

	"stablepages/crcguard"
)

// Stream writes bytes one after the other, of any number, from any offset on. It
// copies all of them, so that under every Strategy they are as safe as under
// Bounce, and writes one buffer while the next is filled.
//
// No byte outside of what was written changes: where it begins or ends within a
// unit of the device (Geometry.OffsetAlign), the rest of that unit is read and
// written again, or, behind the end of the file, written as zeros and truncated
// away. A crash in between can leave these zeros; so can a failing truncation,
// which is an error. Other Files of the process that write there meanwhile wait.
// A block device is not made longer: what does not fit is an error.
//
// A Stream has memory of its own, twice Options.SegmentBytes from the first
// Write to Close, which is not of the Pool. Its methods are for one goroutine.
// An error is final: every later call but Sum and Landed returns it.
type Stream struct {
	// BlockSums, if set before the first Write, is called with the CRC-32C of
	// each 4 KiB block of the file that is on the media, in order: off is where
	// in the file the first one begins. The first and the last may be shorter;
	// the last comes with Close. It may keep nothing of sums.
	BlockSums func(off int64, sums []uint32)

	f      *File
	start  int64
	at     int64 // where in the file what is buffered begins
	fill   *buffer
	flying *buffer // nil if none is
	landed chan struct{}
	fly    func() // run; go of a func value does not allocate
	span   span

	sum    uint32       // of all that was launched
	good   int64        // bytes from start on the media
	open   uint32       // sum of the block that good ends in
	openAt int64        // where that block's sum begins
	unsafe atomic.Int64 // bytes accepted and not on the media
	err    error
	closed bool
}

// buffer is a part of the file on its way, in private memory.
type buffer struct {
	mem  []byte // mem[0] is of a whole grain of the file
	base int64  // where mem[0] is in the file
	lo   int    // mem[lo:hi] is of the Stream
	hi   int
	sums []uint32
	unit []byte // what is read of the file
	err  error
	died any // panic of the Device
}

// StreamAt returns a Stream that begins at off. Close it, or what it has
// buffered is lost, and Close of the File says so.
func (f *File) StreamAt(off int64) *Stream {
	s := &Stream{f: f, start: off, at: off, openAt: off, landed: make(chan struct{}, 1)}
	switch {
	case off < 0 || off > math.MaxInt64/2:
		s.err = s.wrap(fmt.Errorf("%w: no such offset", fs.ErrInvalid))
	case f.readOnly:
		s.err = s.wrap(fmt.Errorf("%w: opened for reading only", fs.ErrPermission))
	}
	s.fly = s.run
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

// room is where the next bytes go, at least one.
func (s *Stream) room() []byte {
	if s.fill == nil {
		s.fill = s.f.newBuffer()
		s.fill.place(s.at, s.f.grain())
	}
	return s.fill.mem[s.fill.hi:]
}

func (f *File) newBuffer() *buffer {
	grain := f.grain()
	return &buffer{mem: AlignedBuffer(max(f.segment/grain, 1) * grain)}
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

// usable reports whether the Stream takes more.
func (s *Stream) usable() bool {
	if s.closed && s.err == nil {
		s.err = s.wrap(os.ErrClosed)
	}
	return s.err == nil
}

// took accounts for n bytes put into the room, and launches a full buffer.
func (s *Stream) took(n int) {
	s.fill.hi += n
	s.unsafe.Add(int64(n))
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
	if s.closed {
		return s.wrap(os.ErrClosed)
	}
	err := s.Flush()
	s.closed = true
	if err == nil && s.start+s.good > s.openAt {
		s.report(s.openAt, []uint32{s.open})
	}
	s.fill = nil
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	delete(s.f.streams, s)
	return err
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
	b := s.fill
	data := b.mem[b.lo:b.hi]
	if blocks := crcguard.BlocksAt(s.at, len(data)); cap(b.sums) < blocks {
		b.sums = make([]uint32, blocks)
	} else {
		b.sums = b.sums[:blocks]
	}
	s.sum = crcguard.Combine(s.sum, crcguard.ChecksumBlocksAt(data, s.at, b.sums), int64(len(data)))
	s.at += int64(len(data))
	other := s.reap()
	if s.err == nil {
		s.err = s.f.enter()
	}
	if s.err != nil {
		s.fill = nil
		return
	}
	if other == nil {
		other = s.f.newBuffer()
	}
	other.place(s.at, s.f.grain())
	s.fill, s.flying = other, b
	go s.fly()
}

// reap waits for the buffer on its way and returns it.
func (s *Stream) reap() *buffer {
	b := s.flying
	if b == nil {
		return nil
	}
	<-s.landed
	s.flying = nil
	if b.died != nil {
		s.err = s.wrap(errors.New("the Device panicked"))
		panic(b.died)
	}
	if s.err = b.err; s.err == nil {
		s.account(b)
	}
	return b
}

// account adds what landed to what is good, and reports whole blocks.
func (s *Stream) account(b *buffer) {
	at, n := s.start+s.good, b.hi-b.lo
	s.good += int64(n)
	first := s.openAt
	if at > first { // the block that the one before ended in goes on
		b.sums[0] = crcguard.Combine(s.open, b.sums[0], int64(min(n, crcguard.BlockSize-int(at%crcguard.BlockSize))))
	}
	whole := b.sums
	if into := (at + int64(n)) % crcguard.BlockSize; into != 0 {
		last := len(b.sums) - 1
		whole, s.open = b.sums[:last], b.sums[last]
		s.openAt = max(first, at+int64(n)-into)
	} else {
		s.openAt = at + int64(n)
	}
	if len(whole) > 0 {
		s.report(first, whole)
	}
}

func (s *Stream) report(off int64, sums []uint32) {
	if s.BlockSums != nil {
		s.BlockSums(off, sums)
	}
}

// run writes the buffer on its way.
func (s *Stream) run() {
	b, f := s.flying, s.f
	whole := false
	defer func() {
		if !whole {
			b.died = &otherPanic{recover(), debug.Stack()}
		}
		f.leave()
		s.landed <- struct{}{}
	}()
	if b.err = f.writePart(b, &s.span); b.err == nil {
		s.unsafe.Add(int64(b.lo - b.hi))
	}
	whole = true
}

// writePart writes b in whole units of the device and lets no byte outside of
// it change.
func (f *File) writePart(b *buffer, locked *span) error {
	unit := f.geo.OffsetAlign
	lo, hi := b.lo/unit*unit, roundUp(b.hi, unit)
	end := b.base + int64(b.hi)
	until := b.base + int64(hi)
	if hi > b.hi { // what may be cut off again must be nobody else's
		until = math.MaxInt64
	}
	f.lock.lock(locked, b.base+int64(lo), until)
	defer f.lock.unlock(locked)
	size, err := b.complete(f, lo, hi)
	if err != nil {
		return f.wrap("stream", fmt.Errorf("at %d: what is to be kept beside it: %w", b.base+int64(b.lo), err))
	}
	o := op{buf: b.mem[lo:hi], off: b.base + int64(lo)}
	calls := f.submit(&o)
	f.stats.stream(b.hi-b.lo, calls, o.err)
	if o.err != nil {
		good := o.n / f.grain() * f.grain()
		return &WriteError{Name: f.name, Off: o.off, Len: hi - lo, Good: good, Spoiled: hi - lo - good, Attempt: 1, Err: o.err}
	}
	if size >= 0 && hi > b.hi && size < b.base+int64(hi) {
		if err := f.dev.(Sized).Truncate(max(size, end)); err != nil {
			return f.wrap("stream", fmt.Errorf("zeros behind its end at %d stay: %w", end, err))
		}
	}
	return nil
}

// complete fills b up to whole units, b.mem[lo:hi], with what the file has there.
// It returns the size of the file, -1 if that is not needed.
func (b *buffer) complete(f *File, lo, hi int) (size int64, err error) {
	if lo == b.lo && hi == b.hi {
		return -1, nil
	}
	d, ok := f.dev.(Sized)
	if !ok {
		return 0, fmt.Errorf("%w: a Device without a size takes whole units of %d", ErrUnaligned, f.geo.OffsetAlign)
	}
	if size, err = d.Size(); err != nil {
		return 0, err
	}
	if err := b.keep(f, lo, b.lo, size); err != nil {
		return 0, err
	}
	return size, b.keep(f, b.hi, hi, size)
}

// keep makes b.mem[lo:hi], a part of one unit, what the file has there: zeros
// from its size on. It reads into memory that is not of the Pool: writes that
// wait for this range may hold all of that.
func (b *buffer) keep(f *File, lo, hi int, size int64) error {
	clear(b.mem[lo:hi])
	unit := f.geo.OffsetAlign
	first := lo / unit * unit
	if lo == hi || b.base+int64(lo) >= size {
		return nil
	}
	if b.unit == nil {
		b.unit = AlignedBuffer(unit)
	}
	n, err := f.readDevice(b.unit, b.base+int64(first))
	if err == io.EOF {
		err = nil
	}
	if lo-first < n {
		copy(b.mem[lo:hi], b.unit[lo-first:n])
	}
	return err
}
