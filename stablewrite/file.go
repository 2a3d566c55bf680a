package stablewrite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"sync"

	"stablepages/crcguard"
)

// File writes to a file, a block device or a [Device] by its Strategy. Its
// methods may be called concurrently.
type File struct {
	dev      Device
	opts     Options
	geo      Geometry
	row      *strategyRow
	segment  int // the longest submission of a summed write
	lanes    int // segments of one write that may be under way at a time
	lock     *rangeLock
	name     string // "" on a Device
	readOnly bool
	pages    bool // writes hold whole pages
	shared   bool // the Device may have other Files: the last one closes it
	stats    counters
	writes   sync.Pool // *Write, for WriteAt

	open   sync.RWMutex // read-held by every call under way, write-held by Close
	closed bool

	sync *stickySync

	mu      sync.Mutex
	streams map[*Stream]struct{} // not closed
}

// stickySync remembers that a sync failed. Files on one Device share it, because
// a kernel that lost data says so once per descriptor.
type stickySync struct {
	mu  sync.Mutex
	err error
}

func (s *stickySync) do(sync func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = sync()
	}
	return s.err
}

func (s *stickySync) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

var (
	_ io.WriterAt = (*File)(nil)
	_ io.ReaderAt = (*File)(nil)
)

// Create opens name for reading and writing, creates it with mode 0666 (before
// umask) if it does not exist and truncates it if it does. Whether the file
// system can be written as o asks is found out first, on a file without a name,
// so that a failure neither empties an old file nor leaves a new one; only file
// systems without O_TMPFILE may be left with an empty new file.
func Create(name string, o Options) (*File, error) {
	return OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666, o)
}

// Open opens the existing file or block device name for reading and writing. A
// block device that is mounted opens too: OpenFile with os.O_RDWR|os.O_EXCL is
// refused it.
func Open(name string, o Options) (*File, error) { return OpenFile(name, os.O_RDWR, 0, o) }

// OpenFile is the general open, with the flags of os.OpenFile; O_DIRECT is added
// as the Strategy asks. O_APPEND is refused: it makes Linux ignore the offset
// of a write. Where the platform has no direct I/O that this package knows, the
// error wraps errors.ErrUnsupported.
func OpenFile(name string, flag int, perm fs.FileMode, o Options) (*File, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("stablewrite: open %s: %w", name, err)
	}
	if flag&os.O_APPEND != 0 {
		return nil, fmt.Errorf("stablewrite: open %s: O_APPEND is refused: it overrides the offset of every write", name)
	}
	file, err := openFile(name, flag, perm, o)
	if err != nil {
		return nil, fmt.Errorf("stablewrite: open %s: %w", name, pathless(err))
	}
	file.name = name
	return file, nil
}

// pathless is err without the operation and the path that os adds.
func pathless(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) && err == error(p) {
		return p.Err
	}
	return err
}

// New writes to the file that f has open. The caller keeps f: the file is opened
// once more, through /proc/self/fd, with O_DIRECT as the Strategy asks and with
// O_SYNC and O_DSYNC as f has them; f's own flags and offset stay as they are. f
// must not be open for appending.
//
// Mind fcntl locks: POSIX drops all that the process holds on a file when any
// descriptor of it is closed, and so does Close, and a New that fails.
func New(f *os.File, o Options) (*File, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("stablewrite: open %s again: %w", f.Name(), err)
	}
	file, err := reopenFile(f, o)
	if err != nil {
		return nil, fmt.Errorf("stablewrite: open %s again: %w", f.Name(), pathless(err))
	}
	file.name = f.Name()
	return file, nil
}

// NewDevice writes to d. Several Files may be made of one Device that is a
// pointer: they are ordered against each other as Files on one inode are. Close
// of the last of them closes d; if NewDevice fails, d stays the caller's.
func NewDevice(d Device, o Options) (*File, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("stablewrite: %w", err)
	}
	var key any = new(byte)
	if v := reflect.ValueOf(d); v.Kind() == reflect.Pointer && v.Type().Elem().Size() > 0 { // all pointers to nothing may be equal
		key = d
	}
	file, err := newFile(d, key, o)
	if err != nil {
		return nil, fmt.Errorf("stablewrite: %w", err)
	}
	file.shared, file.sync = true, &file.lock.sync
	return file, nil
}

// newFile makes a File of a Device whose bytes are known by key.
func newFile(d Device, key any, o Options) (*File, error) {
	o = o.withDefaults()
	geo, err := d.Geometry().normal()
	if err != nil {
		return nil, err
	}
	if o.RequireDirect && geo.Direct == DirectNo {
		return nil, fmt.Errorf("%w: %s", ErrNotDirect, geo.Why)
	}
	segment := min(o.SegmentBytes, o.Pool.largest())
	if segment < geo.OffsetAlign {
		return nil, fmt.Errorf("segments of %d bytes are less than the device's unit of %d: enlarge the Pool or SegmentBytes", segment, geo.OffsetAlign)
	}
	row := &strategies[o.Strategy]
	segment -= segment % geo.OffsetAlign
	return &File{
		dev: d, opts: o, geo: geo, row: row,
		segment: segment, lanes: max(1, min(maxLanes, o.Pool.largest()/segment)),
		lock: lockOf(key), sync: new(stickySync),
	}, nil
}

// Name is the name that the File was opened by, "" on a Device.
func (f *File) Name() string { return f.name }

// Geometry says what the device asks of submissions, how that was learned, and
// whether it is written directly.
func (f *File) Geometry() Geometry { return f.geo }

// grain is what large writes are divided at multiples of, in the file: whole
// blocks, which have sums, and whole units of the device.
func (f *File) grain() int { return max(crcguard.BlockSize, f.geo.OffsetAlign) }

// enter begins a call; leave ends it.
func (f *File) enter() error {
	f.open.RLock()
	if f.closed {
		f.open.RUnlock()
		return f.wrap("use", os.ErrClosed)
	}
	return nil
}

func (f *File) leave() { f.open.RUnlock() }

// wrap says what was done to which file.
func (f *File) wrap(what string, err error) error {
	if f.name != "" {
		what += " " + f.name
	}
	return fmt.Errorf("stablewrite: %s: %w", what, err)
}

// Sync makes durable all writes that returned before it began. An error is
// final: the kernel may have dropped what it could not write, so every later
// Sync of the File, and of others on the same Device, returns it again.
func (f *File) Sync() error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.leave()
	return f.sync.do(func() error {
		if err := f.dev.Sync(); err != nil {
			return f.wrap("sync", err)
		}
		return nil
	})
}

// Close waits for calls under way, then closes the File. It does not sync; it
// returns the error of a Sync that failed, one that says what Streams of the
// File had buffered and is lost, and its own. Every later call returns an error
// that wraps os.ErrClosed.
func (f *File) Close() error {
	f.open.Lock()
	defer f.open.Unlock()
	if f.closed {
		return f.wrap("close", os.ErrClosed)
	}
	f.closed = true
	var err error
	if last := f.lock.release(); last || !f.shared {
		if err = f.dev.Close(); err != nil {
			err = f.wrap("close", err)
		}
	}
	return errors.Join(f.sync.failed(), f.lost(), err)
}

// lost is the error of Streams that were not closed.
func (f *File) lost() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var n int64
	for s := range f.streams {
		n += s.pending.Load()
	}
	f.streams = nil
	if n == 0 {
		return nil
	}
	return f.wrap("close", fmt.Errorf("%d bytes given to a Stream are not on the media: it was not closed, or failed", n))
}
