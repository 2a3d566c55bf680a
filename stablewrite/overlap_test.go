package stablewrite

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"stablepages/crcguard"
)

// disk is a Sized Device in memory for concurrent use.
type disk struct {
	mu     sync.Mutex
	media  []byte
	geo    Geometry
	fixed  bool                                         // does not grow, as a block device
	during func(p []byte, off int64) (n int, err error) // while a submission is in flight; nil: all is well
}

func newDisk(n int) *disk {
	return &disk{media: bytes.Repeat([]byte{0xee}, n), geo: Geometry{MemAlign: 512, OffsetAlign: 512}}
}

func (d *disk) WriteAt(p []byte, off int64) (n int, err error) {
	n = len(p)
	if d.during != nil {
		n, err = d.during(p, off)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	end := off + int64(n)
	if d.fixed && end > int64(len(d.media)) {
		return 0, syscall.ENOSPC
	}
	if grow := end - int64(len(d.media)); grow > 0 {
		d.media = append(d.media, make([]byte, grow)...)
	}
	copy(d.media[off:], p[:n])
	return n, err
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := copy(p, d.media[min(off, int64(len(d.media))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *disk) Size() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.media)), nil
}

// WritePart writes a part of a unit: the disk in memory can write any bytes.
func (d *disk) WritePart(p []byte, off int64) (int, error) {
	if unit := int64(d.geo.OffsetAlign); off/unit != (off+int64(len(p))-1)/unit || int64(len(p)) >= unit {
		return 0, errors.New("no part of one unit")
	}
	return d.WriteAt(p, off)
}

func (d *disk) Sync() error        { return nil }
func (d *disk) Geometry() Geometry { return d.geo }
func (d *disk) Close() error       { return nil }

func (d *disk) file(t testing.TB, o Options) *File {
	t.Helper()
	f, err := NewDevice(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// random returns n random bytes.
func random(seed uint64, n int) []byte {
	p := AlignedBuffer(n)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	rng.Read(p)
	return p
}

// trueOf compares receipt and block sums with the media.
func (d *disk) trueOf(t *testing.T, w *Write) {
	t.Helper()
	got := d.media[w.Off : w.Off+int64(w.Receipt.N)]
	sums := make([]uint32, crcguard.BlocksAt(w.Off, len(got)))
	if sum := crcguard.ChecksumBlocksAt(got, w.Off, sums); sum != w.Receipt.Sum || !slices.Equal(sums, w.Sums[:len(sums)]) {
		t.Errorf("%d bytes at %d: the receipt is not true of the media: %+v", len(w.Buf), w.Off, w.Receipt)
	}
}

// Each submission waits until another is in flight. So the test ends only if the
// other segment is summed and submitted meanwhile.
func TestSegmentsOfALargeWriteAreInFlightTogether(t *testing.T) {
	for _, s := range []Strategy{Verify, Bounce} {
		d := newDisk(8 * kib4)
		var together sync.WaitGroup
		together.Add(windowSegments)
		var calls, inFlight, most atomic.Int32
		d.during = func(p []byte, _ int64) (int, error) {
			if now := inFlight.Add(1); now > most.Load() {
				most.Store(now)
			}
			if calls.Add(1) <= windowSegments {
				together.Done()
				together.Wait()
			}
			inFlight.Add(-1)
			return len(p), nil
		}
		f := d.file(t, Options{Strategy: s, SegmentBytes: kib4})
		w := Write{Buf: random(1, 8*kib4), Sums: make([]uint32, 8)}
		if err := f.Do(&w); err != nil || w.Receipt.Submissions != 8 {
			t.Errorf("%v: %v %+v", s, err, w.Receipt)
		}
		if most.Load() != windowSegments {
			t.Errorf("%v: %d in flight at a time", s, most.Load())
		}
		d.trueOf(t, &w)
	}
}

// A write that makes the file longer must not leave a hole if it is cut short.
func TestSegmentsThatExtendTheFileGoOutInOrder(t *testing.T) {
	type unsized struct{ Device }
	for _, sized := range []bool{true, false} {
		d := newDisk(2 * kib4)
		var mu sync.Mutex
		var order []int64
		var inFlight atomic.Int32
		d.during = func(p []byte, off int64) (int, error) {
			if inFlight.Add(1) > 1 {
				t.Error("two submissions are in flight at a time")
			}
			defer inFlight.Add(-1)
			mu.Lock()
			order = append(order, off)
			mu.Unlock()
			time.Sleep(time.Millisecond) // for the others to come
			if off == 4*kib4 {
				return 0, syscall.ENOSPC
			}
			return len(p), nil
		}
		dev := Device(d)
		if !sized {
			dev = unsized{d}
		}
		f, err := NewDevice(dev, Options{Strategy: Bounce, SegmentBytes: kib4})
		if err != nil {
			t.Fatal(err)
		}
		w := Write{Buf: random(2, 8*kib4), Sums: make([]uint32, 8)}
		e := (*WriteError)(nil)
		if err := f.Do(&w); !errors.As(err, &e) || e.Good != 4*kib4 || e.Spoiled != kib4 || w.Receipt.N != e.Good {
			t.Errorf("%v", err)
		}
		if want := []int64{0, kib4, 2 * kib4, 3 * kib4, 4 * kib4}; !slices.Equal(order, want) {
			t.Errorf("sized=%v: submissions at %v, want %v", sized, order, want)
		}
		d.trueOf(t, &w)
		f.Close()
	}
}

// Whatever lengths, offsets, units and changes, segments make one receipt.
func TestSegmentsMakeOneReceipt(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 400 {
		unit := []int{512, 4096, 8192}[rng.IntN(3)]
		d := newDisk(64 * kib4)
		d.geo.OffsetAlign = unit
		p := AlignedBuffer((1 + rng.IntN(24)) * 8192)
		copy(p, random(uint64(round), len(p)))
		w := Write{Buf: p[:unit*(1+rng.IntN(len(p)/unit))], Off: int64(unit * rng.IntN(16))}
		w.Sums = make([]uint32, crcguard.BlocksAt(w.Off, len(w.Buf)))
		var changes atomic.Int32
		d.during = func(q []byte, off int64) (int, error) {
			if within(q, p) && off%3 == 0 {
				changes.Add(1)
				q[int(off/512)%len(q)] ^= 0x80
			}
			return len(q), nil
		}
		f := d.file(t, Options{SegmentBytes: (1 + rng.IntN(4)) * 8192, Resubmit: Resubmit(rng.IntN(2)), Pool: NewPool(64 << 10)})
		if err := f.Do(&w); err != nil {
			t.Fatal(err)
		}
		if w.Receipt.N != len(w.Buf) || len(w.Changed) != int(changes.Load()) || w.Receipt.ChangedBlocks != len(w.Changed) {
			t.Fatalf("%d bytes at %d, unit %d: %+v, changed %v of %d", len(w.Buf), w.Off, unit, w.Receipt, w.Changed, changes.Load())
		}
		if !slices.IsSortedFunc(w.Changed, func(a, b Extent) int { return a.Off - b.Off }) {
			t.Fatalf("out of order: %v", w.Changed)
		}
		d.trueOf(t, &w)
	}
}

// The Good bytes of a failed write are on the media, whichever segments were in flight.
func TestAFailedSegmentStopsTheOthers(t *testing.T) {
	for round := range 200 {
		bad := round % 8
		for _, s := range []Strategy{Verify, Detect, Bounce} {
			d := newDisk(8 * kib4)
			d.during = func(p []byte, off int64) (int, error) {
				if off == int64(bad)*kib4 {
					return 0, syscall.ENOSPC
				}
				return len(p), nil
			}
			f := d.file(t, Options{Strategy: s, SegmentBytes: kib4})
			w := Write{Buf: random(5, 8*kib4), Sums: make([]uint32, 8)}
			e := (*WriteError)(nil)
			if err := f.Do(&w); !errors.As(err, &e) || !errors.Is(w.Err, syscall.ENOSPC) || e.Good != bad*kib4 || w.Receipt.N != e.Good || e.Attempt != 1 {
				t.Fatalf("%v, segment %d: %v", s, bad, err)
			}
			if e.Spoiled < kib4 || e.Good+e.Spoiled > len(w.Buf) {
				t.Errorf("%v, segment %d: %d bytes spoiled", s, bad, e.Spoiled)
			}
			d.trueOf(t, &w)
			if rest := d.media[e.Good+e.Spoiled:]; !bytes.Equal(rest, bytes.Repeat([]byte{0xee}, len(rest))) {
				t.Errorf("%v, segment %d: bytes changed outside the range that the error names", s, bad)
			}
		}
	}
}

// A panic of the Device on any goroutine reaches the caller, and leaves nothing held.
func TestAPanicReachesTheCaller(t *testing.T) {
	cause := errors.New("device bug")
	for round := range 12 {
		bad := round / 2
		for _, start := range []func(*File, *Write){
			func(f *File, w *Write) { f.Do(w) },
			func(f *File, w *Write) { q := f.Queue(1); _ = q.Start(w); q.Wait() },
			func(f *File, w *Write) { s := f.StreamAt(0); defer s.Close(); s.Write(w.Buf); s.Flush() },
		} {
			d := newDisk(round % 2 * 8 * kib4) // which the write makes longer, or not
			d.during = func(p []byte, off int64) (int, error) {
				if off == int64(bad)*kib4 {
					panic(cause)
				}
				return len(p), nil
			}
			pool := NewPool(8 * kib4)
			f := d.file(t, Options{SegmentBytes: kib4, Pool: pool})
			w := &Write{Buf: random(6, 6*kib4)}
			func() {
				defer func() {
					p := recover()
					if err, ok := p.(error); !ok || !errors.Is(err, cause) {
						t.Errorf("segment %d: recovered %v", bad, p)
					}
				}()
				start(f, w)
			}()
			if w.Err != nil && !errors.Is(w.Err, cause) {
				t.Errorf("segment %d: w.Err = %v", bad, w.Err)
			}
			if busyFile(f) {
				t.Errorf("segment %d: memory or range leaked", bad)
			}
			d.during = nil
			if err := f.Do(w); err != nil {
				t.Error(err)
			}
			q := f.Queue(1)
			if err := q.Start(w); err != nil || q.Wait() != w || w.Err != nil {
				t.Errorf("segment %d: the Write cannot be used again: %v, %v", bad, err, w.Err)
			}
		}
	}
}

// A Write fails near its end, is used again, and fails at its start. The second error
// counts only the bytes that the second write spoiled.
func TestAWriteForgetsItsFailures(t *testing.T) {
	d := newDisk(8 * kib4)
	bad := int64(7 * kib4)
	d.during = func(p []byte, off int64) (int, error) {
		if off == bad {
			return 0, syscall.ENOSPC
		}
		return len(p), nil
	}
	f := d.file(t, Options{Strategy: Bounce, SegmentBytes: kib4})
	w := Write{Buf: random(1, 8*kib4)}
	for range 2 {
		e := (*WriteError)(nil)
		if err := f.Do(&w); !errors.As(err, &e) || e.Good != int(bad) || e.Spoiled != kib4 {
			t.Fatalf("%v", err)
		}
		bad, d.media = 0, d.media[:0] // an empty file makes segments go out in order
	}
}

// If several segments fail, the error is that of the first in the file, whichever
// failed first.
func TestTheFirstOfSeveralFailuresCounts(t *testing.T) {
	for _, late := range []int64{2 * kib4, 3 * kib4} {
		d := newDisk(8 * kib4)
		var together sync.WaitGroup
		together.Add(2)
		d.during = func(p []byte, off int64) (int, error) {
			if off != 2*kib4 && off != 3*kib4 {
				return len(p), nil
			}
			together.Done()
			together.Wait() // both are in flight
			if off == late {
				time.Sleep(5 * time.Millisecond)
			}
			return 0, syscall.ENOSPC
		}
		w := Write{Buf: random(1, 8*kib4), Sums: make([]uint32, 8)}
		e := (*WriteError)(nil)
		if err := d.file(t, Options{Strategy: Bounce, SegmentBytes: kib4}).Do(&w); !errors.As(err, &e) || e.Good != 2*kib4 {
			t.Errorf("%v", err)
		}
		d.trueOf(t, &w)
	}
}

func TestSegmentsAreNearlyEqual(t *testing.T) {
	d := newDisk(9 * kib4)
	var lengths []int
	d.during = func(p []byte, _ int64) (int, error) {
		lengths = append(lengths, len(p))
		return len(p), nil
	}
	w := Write{Buf: random(1, 9*kib4)}
	if err := d.file(t, Options{Strategy: Bounce, SegmentBytes: 8 * kib4, Pool: NewPool(10 * kib4)}).Do(&w); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(lengths, []int{5 * kib4, 4 * kib4}) {
		t.Errorf("segments of %v", lengths)
	}
}

// If the size is unknown, every write is taken to extend the file.
func TestSegmentsGoOutInOrderIfTheSizeIsUnknown(t *testing.T) {
	f, err := NewDevice(sizeless{newDisk(kib4)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !f.extends(kib4) {
		t.Error("the result of a Size that failed was used")
	}
}

type sizeless struct{ *disk }

func (sizeless) Size() (int64, error) { return 1 << 40, syscall.EIO }
