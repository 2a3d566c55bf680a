package stablewrite

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"stablepages/crcguard"
)

// streamed writes data to s in pieces, by Write and by ReadFrom, with flushes.
func streamed(t *testing.T, s *Stream, data []byte, rng *rand.Rand) {
	t.Helper()
	for len(data) > 0 {
		n := min(len(data), 1+rng.IntN(3*kib4))
		var took int64
		var err error
		switch rng.IntN(3) {
		case 0:
			took, err = s.ReadFrom(iotest.HalfReader(bytes.NewReader(data[:n])))
		case 1:
			took, err = io.Copy(s, iotest.DataErrReader(bytes.NewReader(data[:n])))
		default:
			var k int
			k, err = s.Write(data[:n])
			took = int64(k)
		}
		if err == nil && rng.IntN(4) == 0 {
			err = s.Flush()
		}
		if err != nil || took != int64(n) {
			t.Fatalf("%d of %d bytes: %v", took, n, err)
		}
		data = data[n:]
	}
}

// A Stream of any length at any offset, in shorter and longer files, writes its bytes
// and changes no others.
func TestStreamChangesNoOtherByte(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for round := range 600 {
		unit := []int{1, 512, 4096, 8192}[rng.IntN(4)]
		d := newDisk(0)
		d.media = random(uint64(round), rng.IntN(10*kib4))
		d.geo.OffsetAlign = unit
		d.geo.MemAlign = min(unit, 4096)
		was := slices.Clone(d.media)
		data, off := random(uint64(round+1000), rng.IntN(12*kib4)), int64(rng.IntN(8*kib4))
		f := d.file(t, Options{Strategy: Strategies()[rng.IntN(len(Strategies()))], SegmentBytes: 2 * kib4})
		s := f.StreamAt(off)
		var sums []uint32
		s.BlockSums = func(at int64, some []uint32) {
			if want := (off + kib4*int64(len(sums))) / kib4 * kib4; at != max(off, want) {
				t.Fatalf("sums of %d, want those of %d", at, want)
			}
			sums = append(sums, some...)
		}
		streamed(t, s, data, rng)
		if s.Sum() != crcguard.Checksum(data) {
			t.Fatal("Sum before Close is not that of the bytes written")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want := was
		if grow := int(off) + len(data) - len(was); grow > 0 && len(data) > 0 {
			want = append(want, make([]byte, grow)...)
		}
		copy(want[min(int(off), len(want)):], data)
		if !bytes.Equal(d.media, want) {
			t.Fatalf("unit %d, %d bytes at %d of a file of %d: it has %d, want %d", unit, len(data), off, len(was), len(d.media), len(want))
		}
		wantSums := make([]uint32, crcguard.BlocksAt(off, len(data)))
		if sum := crcguard.ChecksumBlocksAt(data, off, wantSums); sum != s.Sum() || s.Landed() != int64(len(data)) || !slices.Equal(sums, wantSums) {
			t.Fatalf("unit %d, %d bytes at %d: Landed %d, block sums %x, want %x", unit, len(data), off, s.Landed(), sums, wantSums)
		}
	}
}

func TestFlushMakesReadable(t *testing.T) {
	d := newDisk(0)
	f := d.file(t, Options{})
	s := f.StreamAt(0)
	defer s.Close()
	for i, part := range []string{"one", "two", strings.Repeat("three", 1000)} {
		if _, err := io.WriteString(s, part); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(part))
		if _, err := f.ReadAt(got, int64(len(d.media)-len(part))); err != nil || string(got) != part {
			t.Errorf("part %d: %v", i, err)
		}
	}
}

// A buffer is filled while the one before is in flight.
func TestStreamFillsWhileItWrites(t *testing.T) {
	d := newDisk(0)
	release := make(chan struct{})
	d.during = func(p []byte, _ int64) (int, error) { <-release; return len(p), nil }
	s := d.file(t, Options{SegmentBytes: kib4}).StreamAt(0)
	if _, err := s.Write(random(1, 2*kib4-1)); err != nil { // one in flight, one nearly full
		t.Fatal(err)
	}
	close(release)
	if err := s.Close(); err != nil || len(d.media) != 2*kib4-1 {
		t.Errorf("%v, %d bytes", err, len(d.media))
	}
}

func TestStreamErrorsAreFinal(t *testing.T) {
	d := newDisk(0)
	d.during = func(p []byte, off int64) (int, error) {
		if off == kib4 {
			return 0, syscall.ENOSPC
		}
		return len(p), nil
	}
	f, err := NewDevice(d, Options{SegmentBytes: kib4})
	if err != nil {
		t.Fatal(err)
	}
	s := f.StreamAt(0)
	var e *WriteError
	_, err = s.Write(random(2, 5*kib4))
	if !errors.As(err, &e) || !errors.Is(err, syscall.ENOSPC) || e.Off != kib4 || e.Good != 0 {
		t.Errorf("%v", err)
	}
	for _, again := range []error{s.Flush(), s.Close()} {
		if !errors.Is(again, syscall.ENOSPC) {
			t.Errorf("%v", again)
		}
	}
	if s.Landed() != kib4 || len(d.media) != kib4 {
		t.Errorf("%d bytes landed of a file of %d", s.Landed(), len(d.media))
	}
}

func TestCloseOfTheFileSaysWhatAStreamLost(t *testing.T) {
	d := newDisk(0)
	f, err := NewDevice(d, Options{SegmentBytes: kib4})
	if err != nil {
		t.Fatal(err)
	}
	s := f.StreamAt(0)
	if _, err := s.Write(make([]byte, kib4+100)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err == nil || !strings.Contains(err.Error(), "100 bytes given to a Stream") {
		t.Errorf("%v", err)
	}
	if err := s.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestStreamRefusals(t *testing.T) {
	d := newDisk(3 * 512)
	d.fixed = true // as a block device
	fill := func(s *Stream, n int) error {
		_, err := s.Write(make([]byte, n))
		return errors.Join(err, s.Close())
	}
	f := d.file(t, Options{})
	if err := fill(f.StreamAt(0), 3*512); err != nil {
		t.Errorf("a device filled to its end: %v", err)
	}
	if err := fill(f.StreamAt(100), 3*512-100); err != nil {
		t.Errorf("from within a unit to its end: %v", err)
	}
	if err := fill(f.StreamAt(0), 3*512+1); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a device that is too small: %v", err)
	}
	if err := fill(f.StreamAt(-1), 1); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a negative offset: %v", err)
	}
	type whole struct{ Device }
	g, err := NewDevice(whole{d}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(g.StreamAt(512), 512); err != nil {
		t.Errorf("whole units of a Device that takes no parts: %v", err)
	}
	for _, off := range []int64{0, 100} {
		if err := fill(g.StreamAt(off), 100); !errors.Is(err, ErrUnaligned) {
			t.Errorf("part of a unit at %d of a Device that takes none: %v", off, err)
		}
	}
	if err := g.Close(); err != nil { // the Streams reported the lost bytes
		t.Error(err)
	}
	if err := fill(g.StreamAt(0), 0); !errors.Is(err, os.ErrClosed) || len(g.streams) != 0 {
		t.Errorf("on a closed File: %v, %d Streams", err, len(g.streams))
	}
}

// The error of a failed buffer counts its good and its spoiled bytes.
func TestAFailedStreamSaysWhatIsGood(t *testing.T) {
	d := newDisk(0)
	d.during = func(p []byte, off int64) (int, error) {
		if len(p) > 1024 {
			return 1024, syscall.ENOSPC
		}
		return len(p), nil
	}
	f := d.file(t, Options{SegmentBytes: 2 * kib4})
	s := f.StreamAt(100)
	s.Write(random(1, kib4))
	e := (*WriteError)(nil)
	if err := s.Flush(); !errors.As(err, &e) || e.Off != 100 || e.Len != kib4 || e.Good != 412+1024 || e.Spoiled != kib4-100-e.Good { // the last 100 were not submitted
		t.Errorf("%+v", e)
	}
	if st := f.Stats(); st.Failed != 1 || st.Writes != 0 || st.Bytes != 0 || st.Submissions != 2 {
		t.Errorf("%+v", st)
	}
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) { // not ErrClosed
		t.Error(err)
	}
	d.during = nil
	s = f.StreamAt(100)
	s.Write(random(1, kib4))
	if err := s.Close(); err != nil || f.Stats().Writes != 1 || f.Stats().Bytes != kib4 || len(f.streams) != 0 {
		t.Errorf("%v %+v", err, f.Stats())
	}
}

// If BlockSums panics, or uses the Stream, every later call of the Stream fails: nothing is
// written twice, or at another place.
func TestBlockSumsThatPanicOrWrite(t *testing.T) {
	for _, misuse := range []func(*Stream){
		func(*Stream) { panic("mine") },
		func(s *Stream) { s.Write([]byte("x")) },
		func(s *Stream) { s.Flush() },
		func(s *Stream) { s.Close() },
	} {
		d := newDisk(0)
		s := d.file(t, Options{SegmentBytes: kib4}).StreamAt(0)
		s.BlockSums = func(int64, []uint32) { misuse(s) }
		data := random(3, 5*kib4)
		for i := range 5 {
			func() {
				defer func() { recover() }()
				s.Write(data[i*kib4:][:kib4])
			}()
		}
		func() {
			defer func() { recover() }()
			if err := s.Close(); err == nil {
				t.Errorf("%d bytes, and no error", len(d.media))
			}
		}()
		if n := len(d.media); n > len(data) || !bytes.Equal(d.media, data[:n]) {
			t.Errorf("the media are %d bytes, not a prefix of the data", n)
		}
	}
}

// BlockSums may call Sum, and Sum may be called after a panic of the Device.
func TestSumIsOfWhatWasAccepted(t *testing.T) {
	d := newDisk(0)
	var broken atomic.Bool
	d.during = func(p []byte, _ int64) (int, error) {
		if broken.Load() {
			panic("device")
		}
		return len(p), nil
	}
	s := d.file(t, Options{SegmentBytes: kib4}).StreamAt(0)
	data := random(3, 6*kib4)
	given := 0
	s.BlockSums = func(int64, []uint32) {
		if s.Sum() != crcguard.Checksum(data[:given]) {
			t.Errorf("Sum is not that of the %d bytes given", given)
		}
	}
	for given < 3*kib4 {
		given += 512
		s.Write(data[given-512 : given])
	}
	broken.Store(true)
	func() {
		defer func() { recover() }()
		for given < len(data) {
			given += 512
			s.Write(data[given-512 : given])
		}
	}()
	if s.Sum() != crcguard.Checksum(data[:given]) {
		t.Errorf("after a panic Sum is not that of the %d bytes given", given)
	}
	broken.Store(false)
	if _, err := s.Write(data); err == nil || s.Close() == nil {
		t.Error("the Stream goes on after a panic of the Device")
	}
}

// While a buffer is on its way no other write of the process goes to its units.
func TestStreamHoldsItsRange(t *testing.T) {
	for _, off := range []int64{0, kib4, 2*kib4 - 512} { // in the buffer's first unit, its middle and its last unit
		d := newDisk(4 * kib4)
		f := d.file(t, Options{})
		var flying, met atomic.Bool
		other := make(chan error, 1)
		d.during = func(p []byte, at int64) (int, error) {
			if len(p) == 512 { // the other write
				met.Store(met.Load() || flying.Load())
				return len(p), nil
			}
			if flying.CompareAndSwap(false, true) {
				go func() {
					_, err := f.WriteAt(AlignedBuffer(512), off)
					other <- err
				}()
			}
			time.Sleep(5 * time.Millisecond) // for the other write to come between
			if at+int64(len(p)) == 2*kib4-100 {
				flying.Store(false) // the last piece
			}
			return len(p), nil
		}
		s := f.StreamAt(100)
		s.Write(random(1, 2*kib4-200))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-other; err != nil || met.Load() {
			t.Errorf("a write at %d came between: %v", off, err)
		}
	}
}

type brokenReader struct{ n int }

func (r brokenReader) Read([]byte) (int, error) { return r.n, nil }

// hesitant returns 0 bytes every other time.
type hesitant struct{ left int }

func (r *hesitant) Read(p []byte) (int, error) {
	if r.left--; r.left < 0 {
		return 0, io.EOF
	}
	return copy(p[:r.left%2], "x"), nil
}

func TestStreamReadsFromHesitantReaders(t *testing.T) {
	s := newDisk(0).file(t, Options{}).StreamAt(0)
	if n, err := s.ReadFrom(&hesitant{5 * maxIdle}); err != nil || n < maxIdle {
		t.Errorf("%d %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStreamReadsFromBrokenReaders(t *testing.T) {
	for _, r := range []io.Reader{brokenReader{-1}, brokenReader{1 << 30}, brokenReader{0}, iotest.ErrReader(syscall.EIO)} {
		s := newDisk(0).file(t, Options{}).StreamAt(0)
		if n, err := s.ReadFrom(r); n != 0 || err == nil {
			t.Errorf("%T: %d %v", r, n, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%T: %v: an error of the reader was kept", r, err)
		}
	}
}

func TestStreamAllocatesNothing(t *testing.T) {
	p := random(1, 3*kib4+100)
	s := fileOn(t, null{sector}, Options{SegmentBytes: 2 * kib4}).StreamAt(0)
	for range 4 {
		s.Write(p)
	}
	if n := testing.AllocsPerRun(100, func() { s.Write(p); s.Flush(); s.Write(p[:99]) }); n != 0 && !raceEnabled {
		t.Errorf("Write and Flush allocate %v times", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
