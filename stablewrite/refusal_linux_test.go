package stablewrite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stablepages/bench/testenv"
)

// An error of a refusal says why, and wraps the error that os would return.
func TestRefusalsSayWhy(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	f, err := Create(name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Preallocate(0, 0); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "nothing to allocate") {
		t.Errorf("Preallocate of nothing: %v", err)
	}
	if err := f.Truncate(-1); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "negative size") {
		t.Errorf("Truncate to -1: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for op, call := range map[string]func(*File) error{
		"preallocate": func(f *File) error { return f.Preallocate(0, 0) },
		"truncate":    func(f *File) error { return f.Truncate(0) },
		"sync":        (*File).Sync,
		"size":        func(f *File) error { _, err := f.Size(); return err },
		"read":        func(f *File) error { _, err := f.ReadAt(AlignedBuffer(4096), 0); return err },
		"write":       func(f *File) error { _, err := f.WriteAt(AlignedBuffer(4096), 0); return err },
		"stream":      func(f *File) error { return f.StreamAt(0).Close() },
	} {
		if err := call(f); !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "stablewrite: "+op+" ") {
			t.Errorf("%s after Close: %v", op, err)
		}
		if err := call(new(File)); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s of the zero File: %v", op, err)
		}
	}
	if err := new(File).Close(); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("close of the zero File: %v", err)
	}
	if _, err := New(nil, Options{}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("New of no file: %v", err)
	}
	if _, err := NewDevice(nil, Options{}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("NewDevice of no Device: %v", err)
	}

	w, err := OpenFile(name, os.O_WRONLY, 0, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadAt(AlignedBuffer(4096), 0); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "for writing only") {
		t.Errorf("ReadAt of a File opened for writing: %v", err)
	}
	if kind, why := w.Engine(); kind == ByCalls && !strings.Contains(why, "O_RDWR") {
		t.Errorf("the engine of a File opened for writing is %v: %s", kind, why)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	was, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	was.Close()
	if _, err := New(was, Options{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("New of a closed file: %v", err)
	}
	if _, err := NewDevice(null{sector}, Options{Lock: true}); err == nil {
		t.Error("a Device was locked")
	}
}
