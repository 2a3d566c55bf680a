package stablewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"sync"
)

// File writes to a file, a block device or a [Device] by its Strategy. Its
// methods may be called concurrently.
type File struct {
	dev     Device
	opts    Options
	geo     Geometry
	segment int // the longest submission of a summed write
	lock    *rangeLock
	stats   counters
	writes  sync.Pool // *Write, for WriteAt

	open   sync.RWMutex // read-held by every call under way, write-held by Close
	closed bool

	syncMu  sync.Mutex
	syncErr error // sticky
}

// Create opens name for reading and writing, creates it with mode 0666 (before
// umask) if it does not exist and truncates it if it does. If it fails, a file
// that existed is as it was and one that did not does not.
func Create(name string, o Options) (*File, error) {
	return OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666, o)
}

// Open opens the existing file or block device name for reading and writing.
func Open(name string, o Options) (*File, error) { return OpenFile(name, os.O_RDWR, 0, o) }

// OpenFile is the general open, with the flags of os.OpenFile; O_DIRECT is added
// as the Strategy asks. O_APPEND is refused: it makes Linux ignore the offset
// of a write. Where the platform has no direct I/O that this package knows, the
// error wraps errors.ErrUnsupported.
func OpenFile(name string, flag int, perm fs.FileMode, o Options) (*File, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if flag&os.O_APPEND != 0 {
		return nil, fmt.Errorf("stablewrite: open %s: O_APPEND is refused: it overrides the offset of every write", name)
	}
	return openFile(name, flag, perm, o)
}

// New writes to the file that f has open. The caller keeps f: the file is opened
// once more, with O_DIRECT as the Strategy asks, and f's own flags and offset
// stay as they are. f must not be open for appending.
func New(f *os.File, o Options) (*File, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return reopenFile(f, o)
}

// NewDevice writes to d, and closes it in Close; if NewDevice fails, d stays the
// caller's. Files on the same Device value are ordered against each other as
// Files on one inode are, if the value is comparable.
func NewDevice(d Device, o Options) (*File, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if !reflect.ValueOf(d).Comparable() {
		return newFile(d, new(byte), o)
	}
	return newFile(d, d, o)
}

// newFile makes a File of a Device whose bytes are known by key.
func newFile(d Device, key any, o Options) (*File, error) {
	o = o.withDefaults()
	geo, err := d.Geometry().normal()
	if err != nil {
		return nil, err
	}
	if o.RequireDirect && geo.Direct == No {
		return nil, fmt.Errorf("stablewrite: %w: %s", ErrNotDirect, geo.Why)
	}
	segment := min(o.SegmentBytes, o.Pool.largest())
	if segment < geo.OffsetAlign {
		return nil, fmt.Errorf("stablewrite: segments of %d bytes are less than the device's unit of %d: enlarge the Pool or SegmentBytes", segment, geo.OffsetAlign)
	}
	return &File{dev: d, opts: o, geo: geo, segment: segment - segment%geo.OffsetAlign, lock: lockOf(key)}, nil
}

// Geometry says what the device asks of submissions, how that was learned, and
// whether it is written directly.
func (f *File) Geometry() Geometry { return f.geo }

// enter begins a call; leave ends it.
func (f *File) enter() error {
	f.open.RLock()
	if f.closed {
		f.open.RUnlock()
		return fmt.Errorf("stablewrite: %w", os.ErrClosed)
	}
	return nil
}

func (f *File) leave() { f.open.RUnlock() }

// Sync makes durable all writes that returned before it began. An error is
// final: the kernel may have dropped what it could not write, so every later
// Sync returns it again.
func (f *File) Sync() error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.leave()
	f.syncMu.Lock()
	defer f.syncMu.Unlock()
	if f.syncErr != nil {
		return f.syncErr
	}
	if err := f.dev.Sync(); err != nil {
		f.syncErr = fmt.Errorf("stablewrite: sync: %w", err)
	}
	return f.syncErr
}

// Close waits for calls under way, then closes the File. It does not sync; it
// returns the error of a Sync that failed, and its own. Every later call returns
// an error that wraps os.ErrClosed.
func (f *File) Close() error {
	f.open.Lock()
	defer f.open.Unlock()
	if f.closed {
		return fmt.Errorf("stablewrite: close: %w", os.ErrClosed)
	}
	f.closed = true
	f.lock.release()
	err := f.dev.Close()
	if err != nil {
		err = fmt.Errorf("stablewrite: close: %w", err)
	}
	return errors.Join(f.syncErr, err)
}
