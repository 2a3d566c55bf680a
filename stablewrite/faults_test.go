package stablewrite

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"stablepages/crcguard"
)

// injected is an injected fault. It is the error that the device returns, so a test
// can tell which fault a call returned.
type injected struct {
	id   int
	kind string
	err  error // nil: the device returns no error
}

func (f *injected) Error() string { return fmt.Sprintf("fault %d (%s): %v", f.id, f.kind, f.err) }
func (f *injected) Unwrap() error { return f.err }

// faulty is a disk that fails now and then, and lists its faults.
type faulty struct {
	*disk
	buf []byte // the caller's, which changes now and then while it is in flight
	mu  sync.Mutex
	rng *rand.Rand
	all []*injected
}

// inject returns nil three times in four, and otherwise a new fault of one of kinds.
func (d *faulty) inject(kinds ...injected) *injected {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rng.IntN(4) > 0 {
		return nil
	}
	f := kinds[d.rng.IntN(len(kinds))]
	f.id = len(d.all)
	d.all = append(d.all, &f)
	return &f
}

// since returns the faults from the k-th on.
func (d *faulty) since(k int) []*injected {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[k:]
}

func (d *faulty) WriteAt(p []byte, off int64) (int, error) {
	f := d.inject(
		injected{kind: "nothing landed", err: syscall.EIO}, injected{kind: "all landed", err: syscall.EIO},
		injected{kind: "refused", err: syscall.EILSEQ}, injected{kind: "full", err: syscall.ENOSPC},
		injected{kind: "short"}, injected{kind: "interrupted", err: syscall.EINTR}, injected{kind: "changed"},
		injected{kind: "changed and failed", err: syscall.EIO},
	)
	if f == nil {
		return d.disk.WriteAt(p, off)
	}
	n := len(p)
	switch f.kind {
	case "nothing landed", "refused":
		return 0, f
	case "full", "short", "interrupted":
		n = max(min(n, 512), n/2/512*512) // half, in whole units; all of one unit
	case "changed", "changed and failed":
		if within(p, d.buf) {
			p[n/2]++
		}
	}
	if _, err := d.disk.WriteAt(p[:n], off); err != nil {
		return 0, err
	}
	if f.err != nil {
		return n, f
	}
	return n, nil
}

func (d *faulty) ReadAt(p []byte, off int64) (int, error) {
	if f := d.inject(injected{kind: "read", err: syscall.EIO}, injected{kind: "read", err: syscall.EILSEQ}); f != nil {
		return 0, f
	}
	return d.disk.ReadAt(p, off)
}

func (d *faulty) WritePart(p []byte, off int64) (int, error) { return d.WriteAt(p, off) }

func (d *faulty) Sync() error {
	if f := d.inject(injected{kind: "sync", err: syscall.EIO}); f != nil {
		return f
	}
	return nil
}

// fates counts faults by kind and result: the call returned the fault, or another error
// in its place, or healed it.
type fates struct{ surfaced, beside, healed map[string]int }

// judge counts what became of the faults of one call. The error of the call must be one
// of them. Without an error the call must have healed all.
func (n fates) judge(t *testing.T, faults []*injected, err error, heals func(kind string) bool) {
	t.Helper()
	var out *injected
	if found := errors.As(err, &out); err != nil && !found && !errors.Is(err, ErrChanged) {
		t.Fatalf("an error that nobody injected: %v", err)
	}
	ours := err == nil || out == nil
	for _, f := range faults {
		switch ours = ours || f == out; {
		case f == out, errors.Is(err, ErrChanged) && strings.HasPrefix(f.kind, "changed"):
			n.surfaced[f.kind]++
		case err != nil:
			n.beside[f.kind]++
		case heals(f.kind):
			n.healed[f.kind]++
		default:
			t.Fatalf("%v was lost: the call returned no error", f)
		}
	}
	if !ours {
		t.Fatalf("%v came out of a call that it was not injected in", out)
	}
}

// Each injected fault is returned or healed, and the receipt is true of the media in
// either case.
func TestEveryInjectedFaultSurfacesOrIsHealed(t *testing.T) {
	for _, s := range []Strategy{Verify, Detect, Bounce, Buffered} {
		n := fates{map[string]int{}, map[string]int{}, map[string]int{}}
		d := &faulty{disk: newDisk(16 * kib4), rng: rand.New(rand.NewPCG(11, uint64(s)))}
		f := fileOn(t, d, Options{Strategy: s, SegmentBytes: 2 * kib4})
		d.buf = random(uint64(s), 8*kib4)
		for range 1500 {
			faultyWrite(t, f, d, n)
			faultyRead(t, f, d, n)
		}
		total := 0
		for _, by := range []map[string]int{n.surfaced, n.beside, n.healed} {
			for _, count := range by {
				total += count
			}
		}
		if total != len(d.all) || total < 1000 {
			t.Errorf("%v: %d faults injected, %d accounted for", s, len(d.all), total)
		}
		t.Logf("%v: %d faults injected; surfaced %v; beside another %v; healed %v", s, len(d.all), n.surfaced, n.beside, n.healed)
	}
}

// faultyWrite makes one write, and compares its error or receipt with the media and the
// faults.
func faultyWrite(t *testing.T, f *File, d *faulty, n fates) {
	t.Helper()
	w := Write{Buf: d.buf, Off: int64(d.rng.IntN(8)) * 512, Sums: make([]uint32, 9)}
	w.Buf = w.Buf[:(1+d.rng.IntN(16))*2048]
	before, was := len(d.all), bytes.Clone(d.media)
	err := f.Do(&w)
	d.trueOf(t, &w)
	n.judge(t, d.since(before), err, func(kind string) bool {
		switch kind {
		case "short", "interrupted", "changed", "refused", "changed and failed":
			return true
		case "nothing landed", "all landed": // a resubmission heals it, if another fault changed the segment
			return len(w.Changed) > 0
		}
		return false
	})
	e := (*WriteError)(nil)
	if errors.As(err, &e) {
		end := int(w.Off) + e.Good + e.Spoiled
		if e.Good != w.Receipt.N || !bytes.Equal(d.media[end:], was[end:]) || !bytes.Equal(d.media[:w.Off], was[:w.Off]) {
			t.Fatalf("%v: bytes changed that it does not name", err)
		}
	} else if err == nil && w.Receipt.N != len(w.Buf) {
		t.Fatalf("%d of %d bytes and no error", w.Receipt.N, len(w.Buf))
	}
}

// faultyRead makes one read of any offset and length.
func faultyRead(t *testing.T, f *File, d *faulty, n fates) {
	t.Helper()
	p := AlignedBuffer(512 * (1 + d.rng.IntN(8)))
	off := int64(512 * d.rng.IntN(32))
	if d.rng.IntN(2) == 0 {
		p, off = p[3:], off+1
	}
	before := len(d.all)
	_, err := f.ReadAt(p, off)
	n.judge(t, d.since(before), err, func(string) bool { return true })
	if err == nil && !bytes.Equal(p, d.media[off:off+int64(len(p))]) {
		t.Fatalf("%d bytes at %d are not those of the media", len(p), off)
	}
}

// A Stream returns the first fault that it met, for ever. The bytes that Landed counts
// are on the media.
func TestEveryFaultOfAStreamSurfaces(t *testing.T) {
	surfaced := 0
	for round := range 500 {
		d := &faulty{disk: newDisk(3 * kib4), rng: rand.New(rand.NewPCG(13, uint64(round)))}
		f := fileOn(t, d, Options{SegmentBytes: kib4})
		data := random(uint64(round), 5*kib4+100)
		off := int64(d.rng.IntN(2 * kib4))
		s := f.StreamAt(off)
		_, err := s.Write(data)
		closed := s.Close()
		var out *injected
		broken := 0
		for _, f := range d.all {
			if f.kind != "short" && f.kind != "interrupted" && f.kind != "changed" {
				broken++
			}
		}
		switch {
		case err != nil && closed != err:
			t.Fatalf("Write returned %v, Close %v", err, closed)
		case closed == nil && (broken > 0 || s.Landed() != int64(len(data))):
			t.Fatalf("round %d: %d faults, %d bytes landed, and no error", round, broken, s.Landed())
		case closed != nil && !errors.As(closed, &out):
			t.Fatalf("%v", closed)
		case closed != nil:
			surfaced++
		}
		if n := s.Landed(); crcguard.Checksum(d.media[off:off+n]) != crcguard.Checksum(data[:n]) {
			t.Fatalf("round %d: %d bytes have not landed", round, n)
		}
	}
	if surfaced < 100 || surfaced == 500 {
		t.Errorf("%d of 500 streams failed", surfaced)
	}
}

// A failed Sync stays failed, whatever the device says later.
func TestAFaultOfSyncSurfacesOnceAndForAll(t *testing.T) {
	d := &faulty{disk: newDisk(kib4), rng: rand.New(rand.NewPCG(17, 1))}
	f, err := NewDevice(d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var first error
	for first == nil {
		first = f.Sync()
	}
	var out *injected
	if !errors.As(first, &out) || len(d.all) != 1 {
		t.Fatalf("%v, %d faults", first, len(d.all))
	}
	if again, closed := f.Sync(), f.Close(); !errors.Is(again, out) || !errors.Is(closed, out) {
		t.Errorf("then Sync returned %v, Close %v", again, closed)
	}
}
