package stablewrite

import (
	"syscall"
	"testing"
)

// changing is a disk whose caller changes a block during each first submission.
func changing(n int) (*disk, []byte) {
	d, p := newDisk(n), AlignedBuffer(n)
	d.during = func(q []byte, _ int64) (int, error) {
		if within(q, p) {
			q[0]++
		}
		return len(q), nil
	}
	return d, p
}

func TestEveryChangeIsReported(t *testing.T) {
	d, p := changing(2 * kib4)
	var seen []Change
	var f *File
	f = d.file(t, Options{OnChanged: func(c Change) {
		if busyFile(f) {
			t.Error("called while the write holds its range or memory")
		}
		seen = append(seen, c)
	}})
	for i := range 3 {
		if _, err := f.WriteAt(p[:kib4], int64(i%2)*kib4); err != nil {
			t.Fatal(err)
		}
	}
	d.during = nil
	if _, err := f.WriteAt(p, 0); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 || seen[1].Off != kib4 || seen[1].Len != kib4 || seen[1].Receipt.Resubmitted != kib4 || seen[1].Err != nil {
		t.Fatalf("%+v", seen)
	}
	if e := seen[0].Extents; len(e) != 1 || e[0] != (Extent{Off: 0, Len: kib4}) {
		t.Errorf("%v", e)
	}
}

// A device that refuses a write proves a change, even if it was not seen.
func TestARefusalIsAChange(t *testing.T) {
	d := newDisk(kib4)
	calls := 0
	d.during = func(p []byte, _ int64) (int, error) {
		if calls++; calls == 1 {
			return 0, syscall.EILSEQ
		}
		return len(p), nil
	}
	var seen []Change
	f := d.file(t, Options{OnChanged: func(c Change) { seen = append(seen, c) }})
	if _, err := f.WriteAt(AlignedBuffer(kib4), 0); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || len(seen[0].Extents) != 0 || seen[0].Receipt.Refused != 1 || f.Stats().Refused != 1 {
		t.Errorf("%+v %+v", seen, f.Stats())
	}
}

func TestAPanicInOnChangedLeavesNothingHeld(t *testing.T) {
	d, p := changing(kib4)
	f := d.file(t, Options{OnChanged: func(Change) { panic("caller") }})
	for range 2 {
		func() {
			defer func() {
				if recover() != "caller" {
					t.Error("the panic did not reach the caller")
				}
			}()
			f.WriteAt(p, 0)
		}()
	}
	if busyFile(f) {
		t.Error("memory or range leaked")
	}
}
