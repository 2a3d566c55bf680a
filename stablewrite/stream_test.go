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

// Any number of bytes at any offset, on files shorter and longer: the file holds
// them, and everything else as it was.
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
			t.Fatal("Sum before Close is not of what was written")
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
	if err := fill(f.StreamAt(100), 3*512-100); err != nil || len(d.cuts) != 0 {
		t.Errorf("from within a unit to its end: %v, truncated to %v", err, d.cuts)
	}
	if err := fill(f.StreamAt(100), 50); err != nil || len(d.cuts) != 0 {
		t.Errorf("within a unit: %v, truncated to %v", err, d.cuts)
	}
	if err := fill(f.StreamAt(0), 3*512+1); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a device that is too small: %v", err)
	}
	if err := fill(f.StreamAt(-1), 1); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a negative offset: %v", err)
	}
	type unsized struct{ Device }
	g, err := NewDevice(unsized{d}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := fill(g.StreamAt(0), 512); err != nil {
		t.Errorf("whole units of a Device without a size: %v", err)
	}
	if err := fill(g.StreamAt(0), 100); !errors.Is(err, ErrUnaligned) {
		t.Errorf("part of a unit of a Device without a size: %v", err)
	}
}

// What an appender wrote behind a Stream is not truncated away with its padding.
func TestStreamCutsOffNobodysBytes(t *testing.T) {
	d := newDisk(0)
	f := d.file(t, Options{})
	appended := make(chan error, 1)
	d.during = func(p []byte, off int64) (int, error) {
		if off == 0 {
			go func() {
				_, err := f.WriteAt(AlignedBuffer(512), 512)
				appended <- err
			}()
			time.Sleep(10 * time.Millisecond) // for it to come between
		}
		return len(p), nil
	}
	s := f.StreamAt(0)
	if _, err := s.Write([]byte("short")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-appended; err != nil {
		t.Fatal(err)
	}
	if len(d.media) != 1024 {
		t.Errorf("the file has %d bytes", len(d.media))
	}
}

type brokenReader struct{ n int }

func (r brokenReader) Read([]byte) (int, error) { return r.n, nil }

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

// What a crash could leave behind the end of the file is zeros, not what the
// buffer held before.
func TestStreamPadsWithZeros(t *testing.T) {
	d := newDisk(0)
	padded := 0
	d.during = func(p []byte, _ int64) (int, error) {
		if i := bytes.LastIndexByte(p, 0xff); len(p)%512 == 0 && i < len(p)-1 {
			padded++
			if len(bytes.Trim(p[i+1:], "\x00")) > 0 {
				t.Error("padded with something")
			}
		}
		return len(p), nil
	}
	s := d.file(t, Options{SegmentBytes: kib4}).StreamAt(0)
	for range 3 {
		for _, n := range []int{kib4, kib4, 100} {
			s.Write(bytes.Repeat([]byte{0xff}, n))
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if s.Close(); padded != 3 {
		t.Errorf("padded %d times", padded)
	}
}

func TestStreamAllocatesNothing(t *testing.T) {
	p := random(1, 3*kib4+100)
	s := fileOn(t, null{sector}, Options{SegmentBytes: 2 * kib4}).StreamAt(0)
	for range 4 {
		s.Write(p)
	}
	if n := testing.AllocsPerRun(100, func() { s.Write(p) }); n != 0 && !raceEnabled {
		t.Errorf("Write allocates %v times", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
