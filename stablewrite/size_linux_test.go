package stablewrite

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

func TestSizeTruncatePreallocate(t *testing.T) {
	f, err := Create(filepath.Join(testenv.DirectDir(t), "f"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := func(want int64) {
		t.Helper()
		if n, err := f.Size(); n != want || err != nil {
			t.Errorf("Size: %d, %v, want %d", n, err, want)
		}
	}
	size(0)
	if err := f.Preallocate(kib4, 3*kib4); err != nil {
		t.Fatal(err)
	}
	size(4 * kib4)
	if _, err := f.WriteAt(random(1, 2*kib4), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(kib4 + 1); err != nil {
		t.Fatal(err)
	}
	size(kib4 + 1)
	if f.inside(2 * kib4) {
		t.Error("the File assumes its old length")
	}
	for _, err := range []error{f.Truncate(-1), f.Preallocate(-1, 1), f.Preallocate(0, 0)} {
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%v", err)
		}
	}
	if err := f.Preallocate(0, 1<<60); !errors.Is(err, syscall.EFBIG) && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("an exbibyte: %v", err)
	}
	d := newDisk(kib4).file(t, Options{})
	if err := d.Truncate(0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a Device that has no size to set: %v", err)
	}
}

// resizable is a disk whose size can be set.
type resizable struct{ *disk }

func (d resizable) Truncate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.media = d.media[:size]
	return nil
}

func (d resizable) Preallocate(int64, int64) error { return nil }

// Truncate does not cut a write that is under way behind the new end.
func TestTruncateWaitsForWrites(t *testing.T) {
	d := resizable{newDisk(8 * kib4)}
	begun, release := make(chan struct{}), make(chan struct{})
	d.during = func(p []byte, off int64) (int, error) {
		if off == 4*kib4 {
			close(begun)
			<-release
		}
		return len(p), nil
	}
	f, err := NewDevice(d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	q := f.Queue(1)
	defer q.Close()
	if err := q.Start(&Write{Buf: AlignedBuffer(kib4), Off: 4 * kib4}); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := f.Truncate(6 * kib4); err != nil { // behind the write
		t.Error(err)
	}
	done := make(chan error)
	go func() { done <- f.Truncate(kib4) }()
	select {
	case <-done:
		t.Error("truncated with a write under way behind the new end")
	case <-time.After(10 * time.Millisecond):
	}
	close(release)
	if w, err := q.Wait(), <-done; w.Err != nil || err != nil {
		t.Error(w.Err, err)
	}
	if n, _ := f.Size(); n != kib4 {
		t.Errorf("Size %d", n)
	}
}
