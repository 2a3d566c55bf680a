package stablewrite

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"stablepages/crcguard"
)

const kib4 = crcguard.BlockSize

// call is one WriteAt that a scripted device saw.
type call struct {
	off    int64
	n      int
	caller bool // the memory was the caller's
}

// scripted is a Device in memory that calls a function of the test during each
// submission: change the caller's buffer, fail, land a part.
type scripted struct {
	mu     sync.Mutex
	media  []byte
	buf    []byte // the caller's
	geo    Geometry
	script []step // one per call; beyond the last, all is well
	calls  []call
	synced int
	sync   error
}

type step struct {
	before, after func() // around the transfer
	land          int    // bytes that land; -1: all
	err           error
}

func (d *scripted) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := step{land: -1}
	if k := len(d.calls); k < len(d.script) {
		st = d.script[k]
	}
	d.calls = append(d.calls, call{off, len(p), within(p, d.buf)})
	if st.before != nil {
		st.before()
	}
	n := len(p)
	if st.land >= 0 {
		n = min(n, st.land)
	}
	copy(d.media[off:], p[:n])
	if st.after != nil {
		st.after()
	}
	return n, st.err
}

func (d *scripted) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, d.media[min(off, int64(len(d.media))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
func (d *scripted) Sync() error        { d.synced++; return d.sync }
func (d *scripted) Geometry() Geometry { return d.geo }
func (d *scripted) Close() error       { return nil }

func within(p, buf []byte) bool {
	at, base := uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(unsafe.Pointer(unsafe.SliceData(buf)))
	return at >= base && at < base+uintptr(len(buf))
}

// newScripted returns a device of 64 blocks full of old bytes, and a buffer of
// n new ones.
func newScripted(n int, script ...step) *scripted {
	d := &scripted{
		media: bytes.Repeat([]byte{0xee}, 64*kib4), buf: AlignedBuffer(n),
		geo: Geometry{MemAlign: 512, OffsetAlign: 512}, script: script,
	}
	for i := range d.buf {
		d.buf[i] = byte(i/512 + 1)
	}
	return d
}

func (d *scripted) file(t *testing.T, o Options) *File {
	t.Helper()
	f, err := NewDevice(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.gap = 0 // changed blocks go out alone
	return f
}

// check requires that the receipt and every block sum are true of the media.
func (d *scripted) check(t *testing.T, w *Write) {
	t.Helper()
	got := d.media[w.Off : w.Off+int64(w.Receipt.N)]
	sums := make([]uint32, crcguard.BlocksAt(w.Off, len(got)))
	if sum := crcguard.ChecksumBlocksAt(got, w.Off, sums); sum != w.Receipt.Sum {
		t.Errorf("receipt says %#x of %d bytes, the media %#x", w.Receipt.Sum, w.Receipt.N, sum)
	}
	if w.Sums != nil && !slices.Equal(w.Sums[:len(sums)], sums) {
		t.Error("block sums differ from the media")
	}
}

func TestVerifyResubmitsOnlyChangedBlocks(t *testing.T) {
	d := newScripted(8 * kib4)
	d.script = []step{{land: -1, after: func() { d.buf[2*kib4]++; d.buf[3*kib4+9]++; d.buf[6*kib4]++ }}}
	f := d.file(t, Options{})
	w := &Write{Buf: d.buf, Off: kib4, Sums: make([]uint32, 8)}
	if err := f.Do(w); err != nil {
		t.Fatal(err)
	}
	want := []call{{kib4, 8 * kib4, true}, {3 * kib4, 2 * kib4, false}, {7 * kib4, kib4, false}}
	if !slices.Equal(d.calls, want) {
		t.Errorf("calls %v, want %v", d.calls, want)
	}
	if changed := []Extent{{Off: 2 * kib4, Len: 2 * kib4}, {Off: 6 * kib4, Len: kib4}}; !slices.Equal(w.Changed, changed) {
		t.Errorf("Changed = %v, want %v", w.Changed, changed)
	}
	if r := w.Receipt; r.ChangedBlocks != 3 || r.Submissions != 3 || r.Resubmitted != 3*kib4 || r.N != len(d.buf) {
		t.Errorf("receipt %+v", r)
	}
	d.check(t, w)
	if !bytes.Equal(d.media[kib4:9*kib4], d.buf) {
		t.Error("media differs from the buffer, which did not change after the resubmission")
	}
	if s := f.Stats(); s.Writes != 1 || s.ChangedWrites != 1 || s.Resubmitted != 3*kib4 || s.Submissions != 3 || s.PoolPeak < 3*kib4 {
		t.Errorf("stats %+v", s)
	}
}

// Blocks lie on the file's grid. A write that begins within a block resubmits only
// the part of the block that it covers.
func TestBlocksLieOnTheFilesGrid(t *testing.T) {
	for _, o := range []Options{{}, {SegmentBytes: kib4}, {SegmentBytes: 2 * kib4}} {
		d := newScripted(4 * kib4)
		changes := kib4 - 512 // the first byte of the second block
		if o.SegmentBytes == kib4 {
			changes = 0 // the second block is in another segment
		}
		d.script = []step{{land: -1, after: func() { d.buf[changes]++ }}}
		d.geo.Direct = DirectYes
		w := &Write{Buf: d.buf, Off: 512, Sums: make([]uint32, 5)}
		if err := d.file(t, o).Do(w); err != nil {
			t.Fatal(err)
		}
		d.check(t, w)
		if o.SegmentBytes == 0 {
			want := []call{{512, 4 * kib4, true}, {kib4, kib4, false}}
			if !slices.Equal(d.calls, want) {
				t.Errorf("calls %v, want %v", d.calls, want)
			}
		}
		for i, c := range d.calls {
			if end := c.off + int64(c.n); end != w.Off+4*kib4 && c.caller && end%kib4 != 0 && o.SegmentBytes != 0 {
				t.Errorf("segment %d ends at %d, inside a block", i, end)
			}
		}
	}
}

// A device whose unit is larger than a block takes whole units only: resubmissions are
// widened to whole units, and a failure leaves whole units good.
func TestUnitsLargerThanABlock(t *testing.T) {
	const unit = 4 * kib4
	d := newScripted(6 * unit)
	d.media = make([]byte, 64*unit)
	d.geo = Geometry{MemAlign: 512, OffsetAlign: unit}
	d.script = []step{{land: -1, after: func() { d.buf[5*kib4]++; d.buf[8*kib4]++; d.buf[21*kib4]++ }}}
	w := &Write{Buf: d.buf, Off: 2 * unit, Sums: make([]uint32, 24)}
	if err := d.file(t, Options{}).Do(w); err != nil {
		t.Fatal(err)
	}
	want := []call{{2 * unit, 6 * unit, true}, {3 * unit, 2 * unit, false}, {7 * unit, unit, false}}
	if !slices.Equal(d.calls, want) {
		t.Errorf("calls %v, want %v", d.calls, want)
	}
	if w.Receipt.ChangedBlocks != 3 || w.Receipt.Resubmitted != 3*unit {
		t.Errorf("receipt %+v", w.Receipt)
	}
	d.check(t, w)

	d.calls, d.script = nil, []step{{land: 2*unit + 3*kib4}, {land: 0, err: syscall.ENOSPC}}
	err := d.file(t, Options{}).Do(w)
	var we *WriteError
	if !errors.As(err, &we) || we.Good != 2*unit {
		t.Errorf("%v, want two good units", err)
	}
	d.check(t, w)
}

// A copy of a Write shares nothing with it.
func TestACopiedWriteIsAWriteOfItsOwn(t *testing.T) {
	first := newScripted(4 * kib4)
	first.script = []step{{land: -1, after: func() { first.buf[0]++ }}}
	w := Write{Buf: first.buf}
	if err := first.file(t, Options{}).Do(&w); err != nil {
		t.Fatal(err)
	}
	second := newScripted(16 * kib4)
	second.script = []step{{land: -1, after: func() { second.buf[9*kib4]++ }}}
	v := w
	v.Buf = second.buf
	if err := second.file(t, Options{}).Do(&v); err != nil {
		t.Fatal(err)
	}
	first.check(t, &w)
	second.check(t, &v)
	if v.state == w.state || w.Changed[0] != (Extent{Off: 0, Len: kib4}) || v.Changed[0] != (Extent{Off: 9 * kib4, Len: kib4}) {
		t.Errorf("changes of the first %v, of the copy %v", w.Changed, v.Changed)
	}
}

// A buffer that was written belongs to the caller again, and may be garbage collected.
func TestNothingOfTheCallersIsKept(t *testing.T) {
	d := newScripted(0)
	f := d.file(t, Options{})
	freed := make(chan struct{})
	w := &Write{Buf: AlignedBuffer(64 << 10)}
	runtime.AddCleanup(&w.Buf[0], func(struct{}) { close(freed) }, struct{}{})
	if err := f.Do(w); err != nil {
		t.Fatal(err)
	}
	w.Buf = nil
	for range 10 {
		runtime.GC()
		select {
		case <-freed:
			runtime.KeepAlive(w)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("a Write that returned keeps its buffer reachable")
	runtime.KeepAlive(w)
}

func TestTheLastFileClosesItsDevice(t *testing.T) {
	d := &closing{scripted: *newScripted(kib4)}
	a, _ := NewDevice(d, Options{})
	b, _ := NewDevice(d, Options{})
	if a.Close(); d.closed != 0 {
		t.Error("the first File closed the Device of the second")
	}
	if _, err := b.WriteAt(d.buf, 0); err != nil {
		t.Error(err)
	}
	if b.Close(); d.closed != 1 {
		t.Errorf("closed %d times", d.closed)
	}
}

type closing struct {
	scripted
	closed int
}

func (d *closing) Close() error { d.closed++; return nil }

func TestResubmitWhole(t *testing.T) {
	d := newScripted(4 * kib4)
	d.script = []step{{land: -1, after: func() { d.buf[5]++ }}}
	w := &Write{Buf: d.buf}
	if err := d.file(t, Options{Resubmit: Whole}).Do(w); err != nil {
		t.Fatal(err)
	}
	if want := []call{{0, 4 * kib4, true}, {0, 4 * kib4, false}}; !slices.Equal(d.calls, want) {
		t.Errorf("calls %v, want %v", d.calls, want)
	}
	if w.Receipt.ChangedBlocks != 1 {
		t.Errorf("Changed = %d, want 1", w.Receipt.ChangedBlocks)
	}
	d.check(t, w)
}

func TestDetectRefusesAChange(t *testing.T) {
	d := newScripted(4 * kib4)
	d.script = []step{{land: -1, after: func() { d.buf[2*kib4]++ }}}
	w := &Write{Buf: d.buf}
	err := d.file(t, Options{Strategy: Detect}).Do(w)
	var we *WriteError
	if !errors.Is(err, ErrChanged) || !errors.As(err, &we) || we.Good != 2*kib4 || we.Spoiled != 2*kib4 {
		t.Errorf("%v, want ErrChanged with two good blocks", err)
	}
	if len(d.calls) != 1 || w.Receipt.N != 2*kib4 || len(w.Changed) != 1 {
		t.Errorf("calls %v, receipt %+v, changed %v", d.calls, w.Receipt, w.Changed)
	}
	d.check(t, w)
}

func TestBounceNeverSubmitsCallerMemory(t *testing.T) {
	for _, s := range []Strategy{Bounce, Buffered} {
		d := newScripted(4 * kib4)
		d.script = []step{{land: -1, before: func() { d.buf[5]++ }, after: func() { d.buf[5]-- }}}
		w := &Write{Buf: d.buf, Sums: make([]uint32, 4)}
		if err := d.file(t, Options{Strategy: s}).Do(w); err != nil {
			t.Fatal(err)
		}
		if want := []call{{0, 4 * kib4, false}}; !slices.Equal(d.calls, want) {
			t.Errorf("%v: calls %v, want %v", s, d.calls, want)
		}
		d.check(t, w)
	}
}

// The hole in the proposal: verify does not see a change that is restored.
func TestVerifyMissesARestoredChange(t *testing.T) {
	d := newScripted(4 * kib4)
	d.script = []step{{land: -1, before: func() { d.buf[5]++ }, after: func() { d.buf[5]-- }}}
	w := &Write{Buf: d.buf}
	if err := d.file(t, Options{}).Do(w); err != nil {
		t.Fatal(err)
	}
	if crcguard.Checksum(d.media[:len(d.buf)]) == w.Receipt.Sum || w.Receipt.ChangedBlocks != 0 {
		t.Error("verify saw an A-B-A change: its promise could be stronger")
	}
	if Verify.Promise().Restored {
		t.Error("verify promises what it cannot keep")
	}
}

// No block of a failed submission counts as landed, not even an unchanged one, and
// EILSEQ proves a change even if no look saw it.
func TestRefusedSubmissionGoesOutWhole(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		change bool
		calls  int
	}{
		"EILSEQ, change seen":     {syscall.EILSEQ, true, 2},
		"EILSEQ, change restored": {syscall.EILSEQ, false, 2},
		"EIO, change seen":        {syscall.EIO, true, 2},
		"EIO, no change":          {syscall.EIO, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := newScripted(4 * kib4)
			d.script = []step{{land: kib4, err: tc.err, after: func() {
				if tc.change {
					d.buf[3*kib4]++
				}
			}}}
			w := &Write{Buf: d.buf, Sums: make([]uint32, 4)}
			err := d.file(t, Options{}).Do(w)
			if len(d.calls) != tc.calls {
				t.Fatalf("calls %v, want %d", d.calls, tc.calls)
			}
			if tc.calls == 1 {
				var we *WriteError
				if !errors.Is(err, tc.err) || !errors.As(err, &we) || we.Good != 0 || we.Spoiled != len(d.buf) || w.Receipt.N != 0 {
					t.Errorf("%v, receipt %+v", err, w.Receipt)
				}
				return
			}
			if err != nil || d.calls[1] != (call{0, 4 * kib4, false}) {
				t.Errorf("%v, calls %v", err, d.calls)
			}
			d.check(t, w)
		})
	}
}

func TestSecondFailureIsTheError(t *testing.T) {
	d := newScripted(4 * kib4)
	d.script = []step{{land: 0, err: syscall.EILSEQ}, {land: 0, err: syscall.EILSEQ}}
	w := &Write{Buf: d.buf, Off: kib4}
	err := d.file(t, Options{}).Do(w)
	want := WriteError{Off: kib4, Len: 4 * kib4, Good: 0, Spoiled: 4 * kib4, Attempt: 2, Err: syscall.EILSEQ}
	var we *WriteError
	if !errors.As(err, &we) || *we != want {
		t.Errorf("%+v, want %+v", err, want)
	}
	if len(d.calls) != 2 {
		t.Errorf("calls %v: the device was asked again and again", d.calls)
	}
}

func TestFailedResubmissionSaysWhatIsGood(t *testing.T) {
	d := newScripted(8 * kib4)
	d.script = []step{
		{land: -1, after: func() { d.buf[2*kib4]++; d.buf[5*kib4]++; d.buf[7*kib4]++ }},
		{land: -1}, {land: 0, err: syscall.EIO},
	}
	w := &Write{Buf: d.buf}
	err := d.file(t, Options{}).Do(w)
	var we *WriteError
	if !errors.As(err, &we) || we.Good != 5*kib4 || we.Spoiled != 3*kib4 || we.Attempt != 2 {
		t.Errorf("%+v", err)
	}
	if len(d.calls) != 3 {
		t.Errorf("calls %v: went on writing to a device that fails", d.calls)
	}
	d.check(t, w)
}

func TestFullDiskSaysWhatIsGood(t *testing.T) {
	for _, s := range []Strategy{Verify, Detect, Bounce, Buffered, Raw} {
		d := newScripted(8 * kib4)
		d.script = []step{{land: 3*kib4 + 512}, {land: 0, err: syscall.ENOSPC}}
		w := &Write{Buf: d.buf}
		err := d.file(t, Options{Strategy: s}).Do(w)
		good := 3 * kib4
		if s == Raw { // without sums, good bytes need not be whole blocks
			good += 512
		}
		var we *WriteError
		if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &we) || we.Good != good || we.Good+we.Spoiled != len(d.buf) || w.Receipt.N != good {
			t.Errorf("%v: %+v, receipt %+v", s, err, w.Receipt)
		}
		if s.Sums() {
			d.check(t, w)
		}
	}
}

func TestShortWritesGoOnFromTheLastWholeUnit(t *testing.T) {
	for _, s := range Strategies() {
		d := newScripted(8 * kib4)
		d.script = []step{{land: 1000}, {land: 2 * kib4, err: syscall.EINTR}, {land: 0, err: syscall.EINTR}, {land: -1}}
		w := &Write{Buf: d.buf, Off: kib4}
		if err := d.file(t, Options{Strategy: s}).Do(w); err != nil {
			t.Fatalf("%v: %v", s, err)
		}
		offs := []int64{kib4, kib4 + 512, 3*kib4 + 512, 3*kib4 + 512}
		for i, c := range d.calls {
			if c.off != offs[i] {
				t.Errorf("%v: call %d at %d, want %d", s, i, c.off, offs[i])
			}
		}
		if !bytes.Equal(d.media[kib4:9*kib4], d.buf) || w.Receipt.Submissions != 4 {
			t.Errorf("%v: media differs, or receipt %+v", s, w.Receipt)
		}
	}
}

type stuck struct {
	scripted
	n     int
	err   error
	count int
}

func (d *stuck) WriteAt(p []byte, off int64) (int, error) { d.count++; return d.n, d.err }

func TestLoopsAreBounded(t *testing.T) {
	for _, d := range []*stuck{{err: syscall.EINTR}, {n: 100}, {n: 0}, {n: -5}, {n: 1 << 30}} {
		d.geo = Geometry{MemAlign: 512, OffsetAlign: 512}
		f, err := NewDevice(d, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(AlignedBuffer(kib4), 0); err == nil || d.count > 2*maxIdle {
			t.Errorf("n=%d err=%v: %v after %d calls", d.n, d.err, err, d.count)
		}
	}
}

func TestUnalignedIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	d := newScripted(4 * kib4)
	for _, s := range Strategies() {
		f := d.file(t, Options{Strategy: s})
		for _, w := range []*Write{{Buf: d.buf, Off: 1}, {Buf: d.buf[:100]}, {Buf: d.buf[:kib4], Off: 256}} {
			if err := f.Do(w); !errors.Is(err, ErrUnaligned) {
				t.Errorf("%v: %d bytes at %d: %v", s, len(w.Buf), w.Off, err)
			}
		}
		for _, w := range []*Write{{Buf: d.buf, Off: -512}, {Buf: d.buf, Off: 1<<63 - 512}, {Buf: d.buf, Sums: make([]uint32, 3)}} {
			if s == Raw && w.Sums != nil { // Raw ignores Sums
				continue
			}
			if err := f.Do(w); !errors.Is(err, os.ErrInvalid) {
				t.Errorf("%v: %d bytes at %d: %v", s, len(w.Buf), w.Off, err)
			}
		}
	}
	if len(d.calls) != 0 {
		t.Errorf("calls %v", d.calls)
	}
}

func TestUnalignedMemoryIsCopiedAndUnderRawRefused(t *testing.T) {
	for _, s := range Strategies() {
		d := newScripted(4*kib4 + 100)
		d.script = []step{{land: -1, before: func() { d.buf[200]++ }}}
		f := d.file(t, Options{Strategy: s})
		w := &Write{Buf: d.buf[100:]}
		err := f.Do(w)
		if s == Raw {
			if !errors.Is(err, ErrUnaligned) || len(d.calls) != 0 {
				t.Errorf("raw: %v, calls %v", err, d.calls)
			}
			continue
		}
		if err != nil || len(d.calls) != 1 || d.calls[0].caller {
			t.Errorf("%v: %v, calls %v", s, err, d.calls)
		}
		d.check(t, w)
		if got, want := f.Stats().Unaligned, int64(1); (s == Verify || s == Detect) && got != want {
			t.Errorf("%v: Unaligned = %d, want %d", s, got, want)
		}
	}
}

func TestRawIsOneSubmissionOfAnyLength(t *testing.T) {
	d := newScripted(10 * kib4)
	w := &Write{Buf: d.buf, Off: 512}
	if err := d.file(t, Options{Strategy: Raw, SegmentBytes: kib4}).Do(w); err != nil {
		t.Fatal(err)
	}
	if want := []call{{512, 10 * kib4, true}}; !slices.Equal(d.calls, want) || w.Receipt.Summed {
		t.Errorf("calls %v, receipt %+v", d.calls, w.Receipt)
	}
}

func TestDetectionBySumMissesSelfSummedPages(t *testing.T) {
	for _, detect := range []Detection{ByDigest, BySum} {
		d := newScripted(kib4)
		stamp := func() {
			d.buf[0]++
			sum := crcguard.Checksum(d.buf[:kib4-4])
			for i := range 4 {
				d.buf[kib4-4+i] = byte(sum >> (8 * i))
			}
		}
		stamp()
		d.script = []step{{land: 2048, after: stamp}, {land: -1}}
		w := &Write{Buf: d.buf}
		if err := d.file(t, Options{DetectBy: detect}).Do(w); err != nil {
			t.Fatal(err)
		}
		torn := crcguard.Checksum(d.media[:kib4]) != w.Receipt.Sum
		if torn != (detect == BySum) {
			t.Errorf("%v: torn = %v", detect, torn)
		}
	}
}

func TestSyncFailureIsSticky(t *testing.T) {
	d := newScripted(kib4)
	f, err := NewDevice(d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	d.sync = syscall.EIO
	first := f.Sync()
	d.sync = nil
	if second := f.Sync(); !errors.Is(first, syscall.EIO) || second != first || d.synced != 2 {
		t.Errorf("first %v, second %v, %d calls", first, second, d.synced)
	}
	if err := f.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close = %v, forgot the failed Sync", err)
	}
}

// The kernel reports lost data once per descriptor, so all Files that share a
// Device must return the error.
func TestSyncFailureIsTheDevices(t *testing.T) {
	d := newScripted(kib4)
	a, b := d.file(t, Options{}), d.file(t, Options{})
	d.sync = syscall.EIO
	first := a.Sync()
	d.sync = nil
	if second := b.Sync(); !errors.Is(first, syscall.EIO) || !errors.Is(second, syscall.EIO) {
		t.Errorf("one File %v, the other %v", first, second)
	}
	if err := b.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close of the other: %v", err)
	}
}

func TestUseAfterClose(t *testing.T) {
	d := newScripted(kib4)
	f, err := NewDevice(d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	_, writeErr := f.WriteAt(d.buf, 0)
	_, readErr := f.ReadAt(d.buf, 0)
	for _, err := range []error{writeErr, readErr, f.Sync(), f.Close()} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%v", err)
		}
	}
}

func TestReadAtAnyOffsetAndLength(t *testing.T) {
	d := newScripted(4 * kib4)
	for i := range d.media {
		d.media[i] = byte(i * 7 / 512)
	}
	f := d.file(t, Options{SegmentBytes: 2 * kib4})
	size := int64(len(d.media))
	for _, off := range []int64{0, 1, 511, 512, 4095, 100_000, size - 512, size - 5, size, size + 5000} {
		for _, n := range []int{0, 1, 512, 600, 3*kib4 + 1} {
			p := make([]byte, n)
			got, err := f.ReadAt(p, off)
			want := max(0, min(int64(n), size-off))
			if int64(got) != want || (want < int64(n)) != (err == io.EOF) || err != nil && err != io.EOF {
				t.Errorf("%d at %d: %d, %v", n, off, got, err)
			}
			if want > 0 && !bytes.Equal(p[:got], d.media[off:off+want]) {
				t.Errorf("%d at %d: wrong bytes", n, off)
			}
		}
	}
}

// readGuard fails reads into memory that is not private, as a file system with
// checksums does if the memory changes meanwhile.
type readGuard struct {
	*scripted
	always bool
}

func (d readGuard) ReadAt(p []byte, off int64) (int, error) {
	if d.always || within(p, d.buf) {
		return 0, syscall.EIO
	}
	return d.scripted.ReadAt(p, off)
}

// If all bytes were read, an error of later bytes does not count.
func TestEOFBehindWhatWasAskedForIsNone(t *testing.T) {
	f, err := NewDevice(eager{newScripted(2 * kib4)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, n := range []int{kib4, 100} {
		if got, err := f.ReadAt(AlignedBuffer(n), 0); got != n || err != nil && err != io.EOF {
			t.Errorf("%d of %d bytes: %v", got, n, err)
		}
	}
}

// eager reports at once that nothing follows: io.EOF comes with the last bytes.
type eager struct{ *scripted }

func (d eager) ReadAt(p []byte, off int64) (int, error) {
	n, _ := d.scripted.ReadAt(p, off)
	return n, io.EOF
}

func TestFailedReadIsTriedThroughPrivateMemory(t *testing.T) {
	for _, always := range []bool{false, true} {
		d := readGuard{newScripted(2 * kib4), always}
		f, err := NewDevice(d, Options{})
		if err != nil {
			t.Fatal(err)
		}
		n, err := f.ReadAt(d.buf, kib4)
		if always != errors.Is(err, syscall.EIO) || always == (n == len(d.buf)) {
			t.Errorf("always=%v: %d, %v", always, n, err)
		}
		if always && !strings.Contains(err.Error(), "into the caller's memory, and again through private memory") {
			t.Errorf("the error does not say what was tried: %v", err)
		}
		if _, err := f.ReadAt(d.buf[:100], kib4+1); always && (err == nil || !strings.Contains(err.Error(), ": through private memory")) {
			t.Errorf("the error does not say what was tried: %v", err)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	for _, s := range []Strategy{Verify, Bounce, Raw, Buffered} {
		d := newScripted(8 * kib4)
		change := step{land: -1, after: func() { d.buf[kib4]++ }}
		for range 200 {
			d.script = append(d.script, change)
		}
		d.calls = make([]call, 0, 1000)
		f := d.file(t, Options{Strategy: s})
		w := &Write{Buf: d.buf, Sums: make([]uint32, 8)}
		f.Do(w)
		if n := testing.AllocsPerRun(40, func() { f.Do(w) }); n != 0 {
			t.Errorf("%v: Do allocates %v times", s, n)
		}
		f.WriteAt(d.buf, 0)
		if n := testing.AllocsPerRun(40, func() { f.WriteAt(d.buf, 0) }); n != 0 && !raceEnabled {
			t.Errorf("%v: WriteAt allocates %v times", s, n)
		}
	}
}

func TestStrategyText(t *testing.T) {
	for _, s := range Strategies() {
		text, err := s.MarshalText()
		var back Strategy
		if err != nil || back.UnmarshalText(text) != nil || back != s || s.About() == "" {
			t.Errorf("%v: %q %v", s, text, err)
		}
	}
	var s Strategy
	if s != Verify || s.UnmarshalText([]byte("hope")) == nil {
		t.Error("the zero Strategy is not Verify, or an unknown name was accepted")
	}
	none := Strategy(99)
	if _, err := none.MarshalText(); err == nil || none.About() != "" || none.Promise() != (Promise{}) {
		t.Error("Strategy(99) has a text or a promise")
	}
}

// Promises depend on strategy and detection, for strategies that detect.
func TestPromisesOfEveryPair(t *testing.T) {
	want := map[Strategy][3]Promise{ // by the digest, by CRC-32C, by tracking
		Verify: {{Changed: true, CrashWindow: true}, {Changed: true, Collides: true, CrashWindow: true}, {Changed: true, Restored: true, Tracked: true, CrashWindow: true}},
		Detect: {{Changed: true, Refuses: true, CrashWindow: true}, {Changed: true, Collides: true, Refuses: true, CrashWindow: true},
			{Changed: true, Restored: true, Tracked: true, Refuses: true, CrashWindow: true}},
	}
	for _, s := range Strategies() {
		for d := range Detection(len(detections)) {
			promise := s.Promise()
			if s.Detects() {
				promise = want[s][d]
			}
			if got := s.PromiseBy(d); got != promise {
				t.Errorf("%v by %v: %+v", s, d, got)
			}
			var back Detection
			if text, err := d.MarshalText(); err != nil || back.UnmarshalText(text) != nil || back != d {
				t.Errorf("%v: %q, %v", d, text, err)
			}
		}
	}
}

// A receipt that is not tracked has the promise of the digest.
func TestHoldsGoesByTheReceipt(t *testing.T) {
	for _, s := range Strategies() {
		for d := range Detection(len(detections)) {
			p := s.PromiseBy(d)
			for _, tracked := range []bool{false, true} {
				restored := p.Restored
				if s.Detects() {
					restored = d == ByTracking && tracked
				}
				if p.Holds(false, tracked) != p.Changed || p.Holds(true, tracked) != restored {
					t.Errorf("%v by %v, tracked %v: holds %v, after a restored change %v", s, d, tracked, p.Holds(false, tracked), p.Holds(true, tracked))
				}
			}
		}
	}
}

func TestOptionsAreValidated(t *testing.T) {
	for _, o := range []Options{{RequireTracking: true}, {RequireTracking: true, DetectBy: ByTracking, Strategy: Bounce}, {Strategy: 99}, {Resubmit: 9}, {DetectBy: 9}, {Strategy: Buffered, RequireDirect: true}, {SegmentBytes: -1}, {SegmentBytes: 100}} {
		if _, err := NewDevice(newScripted(kib4), o); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
	d := newScripted(kib4)
	d.geo.Direct, d.geo.Why = DirectNo, "it says so"
	if _, err := NewDevice(d, Options{RequireDirect: true}); !errors.Is(err, ErrNotDirect) {
		t.Errorf("%v", err)
	}
	d.geo.Direct = DirectBounced
	if _, err := NewDevice(d, Options{RequireDirect: true}); err != nil {
		t.Errorf("a File that the kernel bounces was refused: %v", err)
	}
	d.geo = Geometry{MemAlign: 8192}
	if _, err := NewDevice(d, Options{}); err == nil {
		t.Error("memory alignment of 8192 accepted")
	}
	d.geo = Geometry{OffsetAlign: 16384}
	if _, err := NewDevice(d, Options{Pool: NewPool(8192)}); err == nil {
		t.Error("a pool smaller than the device's unit accepted")
	}
}
