package stablewrite

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
	calls := map[string]func(*File) error{
		"preallocate": func(f *File) error { return f.Preallocate(0, 0) },
		"truncate":    func(f *File) error { return f.Truncate(0) },
		"sync":        (*File).Sync,
		"size":        func(f *File) error { _, err := f.Size(); return err },
		"read":        func(f *File) error { _, err := f.ReadAt(AlignedBuffer(4096), 0); return err },
		"write":       func(f *File) error { _, err := f.WriteAt(AlignedBuffer(4096), 0); return err },
		"stream":      func(f *File) error { return f.StreamAt(0).Close() },
	}
	for op, call := range calls {
		err := call(f)
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s after Close: %v", op, err)
		}
		namesFile(t, err, op, name)
	}
	for op, call := range map[string]func(*File) error{
		"close": (*File).Close,
		"queue": func(f *File) error {
			q := f.Queue(1)
			defer q.Close()
			return q.Start(&Write{Buf: AlignedBuffer(4096)})
		},
		"fill": func(f *File) error { _, err := f.StreamAt(0).Write([]byte{1}); return err },
	} {
		calls[op] = call
	}
	for op, call := range calls {
		for what, f := range map[string]*File{"nil": nil, "zero": new(File)} {
			if err := call(f); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s of a %s File: %v", op, what, err)
			}
		}
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
	_, err = New(was, Options{})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("New of a closed file: %v", err)
	}
	namesFile(t, err, "reopen", name)
	if _, err := NewDevice(null{sector}, Options{Lock: true}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a Device with Lock: %v", err)
	}
}

// An error of a call on a file has the operation and the name as an error of os has them,
// once.
func TestErrorsNameTheFile(t *testing.T) {
	dir := testenv.DirectDir(t)
	name := filepath.Join(dir, "f")
	_, err := Open(name, Options{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of no file: %v", err)
	}
	namesFile(t, err, "open", name)
	for _, o := range []Options{{SegmentBytes: 1}, {Strategy: 99}, {DetectBy: 99}, {Engine: 99}, {Resubmit: 99},
		{RequireTracking: true}, {RequireDirect: true, Strategy: Buffered}} {
		if err := o.Validate(); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
		_, err := Create(name, o)
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Create with %+v: %v", o, err)
		}
		namesFile(t, err, "open", name)
	}
	for _, flag := range []int{os.O_RDWR | os.O_APPEND, os.O_RDONLY | os.O_TRUNC} {
		_, err := OpenFile(name, flag|os.O_CREATE, 0o666, Options{})
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("OpenFile with the flags %#x: %v", flag, err)
		}
		namesFile(t, err, "open", name)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a call that was refused left a file: %v", err)
	}

	f, err := Create(name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(AlignedBuffer(4096), 1)
	if !errors.Is(err, ErrUnaligned) {
		t.Errorf("WriteAt 1: %v", err)
	}
	namesFile(t, err, "write", name)
	if _, err := f.ReadAt(make([]byte, 1), 0); err != io.EOF {
		t.Errorf("ReadAt the end: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	failed := &WriteError{Name: name, Len: 4096, Err: syscall.EIO}
	if !errors.Is(failed, syscall.EIO) {
		t.Error(failed)
	}
	namesFile(t, failed, "write", name)
	if on := (&WriteError{Err: syscall.EIO}); !errors.Is(on, syscall.EIO) || !strings.HasPrefix(on.Error(), "stablewrite: write: 0 bytes") {
		t.Error(on)
	}
}

func namesFile(t *testing.T, err error, op, name string) {
	t.Helper()
	if p := (*fs.PathError)(nil); !errors.As(err, &p) || p.Op != op || p.Path != name {
		t.Errorf("not an error of %s %s: %v", op, name, err)
	} else if text := err.Error(); !strings.HasPrefix(text, "stablewrite: "+op+" "+name+": ") || strings.Count(text, name) > 1 {
		t.Errorf("%v", err)
	}
}
