package stablewrite

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"stablepages/crcguard"
)

// File writes to a file, a block device or a [Device] by its Strategy. Its
// methods may be called concurrently. Create, Open, OpenFile, New and NewDevice make a
// File; calls that return an error refuse a nil or zero File (fs.ErrInvalid).
type File struct {
	holding
	dropped   runtime.Cleanup // releases holding, if Close is never called
	opts      Options
	geo       Geometry
	row       *strategyRow
	segment   int  // Options.SegmentBytes, in whole units
	copied    int  // the longest segment that the Pool has memory for
	window    int  // the number of such segments that are under way at a time
	halves    bool // Do may copy in segments of half of copied
	gap       int  // see segment
	maxParts  int  // of memory that the Device takes in one submission
	engine    engine
	known     atomic.Int64 // a size that the file has at least, unless it was truncated
	quota     *quota       // of the Pool; nil: not bounded
	name      string       // "" on a Device
	readOnly  bool
	writeOnly bool
	pages     bool // writes lock whole pages
	stats     counters

	open   sync.RWMutex // read-held by every call under way, write-held by Close
	closed bool

	mu      sync.Mutex
	streams map[*Stream]struct{} // not closed
}

var (
	_ io.WriterAt = (*File)(nil)
	_ io.ReaderAt = (*File)(nil)
)

// Create opens name for reading and writing, creates it with mode 0666 (before umask)
// if it does not exist, and truncates it if it does. It first checks with an unnamed
// file that the file system allows Options o, so a failure neither empties an existing
// file nor leaves a new one; without O_TMPFILE an empty new file may be left.
func Create(name string, o Options) (*File, error) {
	return OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666, o)
}

// Open opens the existing file or block device name for reading and, unlike os.Open, for
// writing. It opens a mounted block device, too; OpenFile with os.O_RDWR|os.O_EXCL fails
// on one.
func Open(name string, o Options) (*File, error) { return OpenFile(name, os.O_RDWR, 0, o) }

// OpenFile opens name with the flags of os.OpenFile, and O_DIRECT as the Strategy
// requires. It refuses O_APPEND, which makes Linux ignore the offset of a write, and
// O_TRUNC without write access. On a platform other than Linux the error wraps
// errors.ErrUnsupported.
func OpenFile(name string, flag int, perm fs.FileMode, o Options) (*File, error) {
	return openWith("open", name, o, func() (*File, error) { return openFile(name, flag, perm, o) })
}

// openWith checks o, and gives the File that open returns its name.
func openWith(op, name string, o Options, open func() (*File, error)) (file *File, err error) {
	if err = o.Validate(); err == nil {
		file, err = open()
	}
	if err != nil {
		return nil, wrap(op, name, pathless(err))
	}
	file.name = name
	return file, nil
}

// New writes to the file that f has open. The caller keeps f, whose flags and offset do
// not change: New opens the file once more, through /proc/self/fd (which needs permission
// again), with O_DIRECT as the Strategy requires, and with f's O_SYNC and O_DSYNC. f must
// not be open for appending.
//
// Closing any descriptor of a file drops all fcntl (POSIX) locks that the process
// holds on it. So do Close, and a New that fails.
func New(f *os.File, o Options) (*File, error) {
	if f == nil {
		return nil, fmt.Errorf("stablewrite: %w: no file", fs.ErrInvalid)
	}
	return openWith("reopen", f.Name(), o, func() (*File, error) { return reopenFile(f, o) })
}

// NewDevice writes to d. Several Files may be made of one Device that is a pointer:
// their writes are ordered as those of Files on one inode, and they share the error
// of a failed Sync. Close of the last of them closes d; if NewDevice fails, d stays
// the caller's.
func NewDevice(d Device, o Options) (*File, error) {
	return openWith("open a Device", "", o, func() (*File, error) {
		switch {
		case d == nil:
			return nil, fmt.Errorf("%w: no Device", fs.ErrInvalid)
		case o.Lock:
			return nil, fmt.Errorf("%w: Options.Lock is for files, not for a Device", fs.ErrInvalid)
		}
		key := deviceKey(d)
		return newFile(d, key, key, o)
	})
}

// newFile makes a File of a Device. key identifies its bytes, diskKey the disk that has
// them.
func newFile(d Device, key, diskKey any, o Options) (*File, error) {
	halves := o.SegmentBytes == 0
	o.Pool = cmp.Or(o.Pool, &processPool)
	o.SegmentBytes = cmp.Or(o.SegmentBytes, DefaultSegmentBytes)
	o.Engine = cmp.Or(o.Engine, defaultEngine)
	geo, err := d.Geometry().normal()
	if err != nil {
		return nil, err
	}
	if o.tracks() {
		if _, err := openPageTable(); err != nil {
			return nil, err
		}
	}
	if o.RequireDirect && geo.Direct == DirectNo {
		return nil, fmt.Errorf("%w: %s", ErrNotDirect, geo.Why)
	}
	copies, share := o.Pool.largest()
	copied := min(o.SegmentBytes, copies)
	if min(copied, share) < geo.OffsetAlign {
		return nil, fmt.Errorf("%w: segments of %d bytes, or %d for a resubmission, are less than the device's unit of %d: enlarge the Pool or SegmentBytes",
			fs.ErrInvalid, copied, share, geo.OffsetAlign)
	}
	unit := max(geo.OffsetAlign, crcguard.BlockSize)
	copied -= copied % unit
	f := &File{
		holding: holding{dev: d, cached: !o.Strategy.Direct(), locked: o.Lock},
		opts:    o, geo: geo, row: &strategies[o.Strategy], gap: joinGap, maxParts: 1,
		segment: o.SegmentBytes / unit * unit, copied: copied, halves: halves,
		window: min(windowSegments, copies/(crcguard.BlockSize<<orderOf(copied))),
	}
	if _, ok := d.(GatherWriter); ok {
		f.maxParts = maxGather
	}
	if o.Pool == &processPool {
		f.quota = new(quota)
	}
	if f.engine, err = f.chooseEngine(); err != nil {
		return nil, err
	}
	f.target, f.first = targetOf(key, diskKey, d)
	f.dropped = runtime.AddCleanup(f, func(h holding) { go h.release() }, f.holding)
	if f.cached {
		f.target.cached.Add(1)
		f.target.drain()
	}
	return f, nil
}

// holding has the resources that a File releases when it is closed, or garbage collected.
type holding struct {
	dev    Device
	target *target
	first  bool // the target's Syncs go out on dev
	cached bool // dev writes through the page cache
	locked bool // by Options.Lock
}

func (h holding) release() (err error) {
	if h.cached {
		h.target.cached.Add(-1)
	}
	if d, ok := h.dev.(interface{ unlock() }); ok && h.locked {
		d.unlock() // the descriptor may stay open, for Syncs of other Files
	}
	for _, d := range h.target.release(h.dev, h.first) {
		err = errors.Join(err, d.Close())
	}
	return err
}

// release closes the File's descriptors and leaves the target.
func (f *File) release() error {
	f.dropped.Stop()
	return f.holding.release()
}

// Name returns the name that the File was opened by, "" on a Device.
func (f *File) Name() string { return f.name }

// Geometry returns the alignment that the device requires, how that was learned, and
// whether the file is written directly.
func (f *File) Geometry() Geometry { return f.geo }

// grain is the length that large writes are divided by, in the file: whole blocks, which
// have sums, and whole units of the device.
func (f *File) grain() int { return max(crcguard.BlockSize, f.geo.OffsetAlign) }

// isPart reports whether n bytes at off begin or end within a unit of the device.
func (f *File) isPart(off int64, n int) bool { return (off|int64(n))&int64(f.geo.OffsetAlign-1) != 0 }

// enter begins a call, which an error names by op; leave ends it.
func (f *File) enter(op string) error {
	if err := f.opened(op); err != nil {
		return err
	}
	f.open.RLock()
	if f.closed {
		f.open.RUnlock()
		return f.wrap(op, os.ErrClosed)
	}
	return nil
}

// opened refuses a nil or zero File.
func (f *File) opened(op string) error {
	if f == nil || f.dev == nil {
		return wrap(op, "", fmt.Errorf("%w: a File comes from Create, Open, OpenFile, New or NewDevice", fs.ErrInvalid))
	}
	return nil
}

func (f *File) leave() { f.open.RUnlock() }

// wrap adds the operation and the name of the file to err, if any.
func (f *File) wrap(op string, err error) error { return wrap(op, f.name, err) }

// Sync makes durable all writes that returned before it began; concurrent Syncs share
// a call. It does not cover the name of a newly created file; sync its directory for
// that. An error is final: the kernel may have dropped the data that it could not write,
// and reports that only once. So every later Sync and Close of every File of the process
// on that device (partitions count as their disk) returns the error again, until the
// last of them is closed.
func (f *File) Sync() error {
	if err := f.enter("sync"); err != nil {
		return err
	}
	defer f.leave()
	return f.target.sync(func(err error) error { return f.wrap("sync", err) })
}

// Close waits for calls under way, then closes the File. It does not sync. Its error
// joins up to three: the error of a failed Sync, the number of bytes lost in Streams
// that were not closed, and the error of closing the file. Every later call of the
// File returns an error that wraps os.ErrClosed. A Stream that is still open returns it
// when it next writes out its buffer.
func (f *File) Close() error {
	if err := f.opened("close"); err != nil {
		return err
	}
	hurry()
	f.open.Lock()
	patient()
	defer f.open.Unlock()
	if f.closed {
		return f.wrap("close", os.ErrClosed)
	}
	f.closed = true
	return errors.Join(f.target.failed(), f.lost(), f.wrap("close", f.release()))
}

// lost returns an error if Streams were not closed.
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
