package stablewrite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// linuxFile is the Device of a regular file or a block device.
type linuxFile struct {
	f     *os.File // keeps fd open
	fd    int
	block bool   // a block device
	disk  uint64 // the device that it is, or lies on
	geo   Geometry

	part   sync.Mutex // over the two below
	cached *os.File   // the file once more, without O_DIRECT; nil until it is needed
	unit   []byte     // of a block device, read to be written again
}

func (d *linuxFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := unix.Pwrite(d.fd, p, off)
	return max(n, 0), err
}

// WriteGatherAt is pwritev.
func (d *linuxFile) WriteGatherAt(parts [][]byte, off int64) (int, error) {
	n, err := unix.Pwritev(d.fd, parts, off)
	return max(n, 0), err
}

// ReadAt reads until p is full, the file ends or an error occurs. A count that is not a
// multiple of the alignment is the end of the file: the kernel would refuse to go on
// there.
func (d *linuxFile) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		got, err := unix.Pread(d.fd, p[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if n += got; got == 0 || n%d.geo.OffsetAlign != 0 && n < len(p) {
			return n, io.EOF
		}
	}
	return n, nil
}

// Sync is fdatasync: the data, and the metadata needed to read them.
func (d *linuxFile) Sync() error {
	return uninterrupted(func() error { return unix.Fdatasync(d.fd) })
}

// Size returns the size of the file, or the end of the block device.
func (d *linuxFile) Size() (int64, error) {
	if d.block {
		return unix.Seek(d.fd, 0, io.SeekEnd)
	}
	var st unix.Stat_t
	err := unix.Fstat(d.fd, &st)
	return st.Size, err
}

// Truncate is ftruncate.
func (d *linuxFile) Truncate(size int64) error {
	return d.resize(func() error { return unix.Ftruncate(d.fd, size) })
}

// Preallocate is fallocate.
func (d *linuxFile) Preallocate(off, n int64) error {
	return d.resize(func() error { return unix.Fallocate(d.fd, 0, off, n) })
}

func (d *linuxFile) resize(call func() error) error {
	if d.block {
		return fmt.Errorf("%w: a block device has a fixed size", errors.ErrUnsupported)
	}
	return uninterrupted(call)
}

// uninterrupted repeats a system call that signals interrupt.
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func (d *linuxFile) Geometry() Geometry { return d.geo }

func (d *linuxFile) Close() error {
	err := d.f.Close()
	if d.cached != nil {
		err = errors.Join(err, d.cached.Close())
	}
	return pathless(err)
}

// unlock releases the lock of Options.Lock.
func (d *linuxFile) unlock() { _ = unix.Flock(d.fd, unix.LOCK_UN) }

// inode identifies the bytes of a file, or of a block device, by its number: several
// nodes can have the same number.
type inode struct {
	dev, ino uint64
	block    bool
}

// diskOf returns the disk that a device number is a partition of, or the number.
func diskOf(dev uint64) any {
	dir := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(dev), unix.Minor(dev))
	if _, err := os.Stat(dir + "/partition"); err != nil {
		return dev
	}
	text, err := os.ReadFile(dir + "/../dev")
	var major, minor uint32
	if _, scan := fmt.Sscanf(string(text), "%d:%d", &major, &minor); err != nil || scan != nil {
		return dev
	}
	return unix.Mkdev(major, minor)
}

var errAppend = fmt.Errorf("%w: O_APPEND makes Linux ignore the offset of a write: open the file without it", fs.ErrInvalid)

// openFile opens by name. It finds every reason to refuse before it creates or truncates
// anything.
func openFile(name string, flag int, perm fs.FileMode, o Options) (*File, error) {
	switch {
	case flag&os.O_APPEND != 0:
		return nil, errAppend
	case flag&os.O_TRUNC != 0 && flag&unix.O_ACCMODE == os.O_RDONLY:
		return nil, fmt.Errorf("%w: O_TRUNC needs O_RDWR or O_WRONLY", fs.ErrInvalid)
	case flag&os.O_CREATE != 0:
		if err := rehearse(name, o); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(name, flag&^(os.O_TRUNC|unix.O_DIRECT), perm)
	if err != nil {
		return nil, err
	}
	file, err := adopt(f, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	if flag&os.O_TRUNC != 0 && !file.pages { // a block device has no size to lose
		err := file.resized(0, math.MaxInt64, func() error { return file.dev.(Resizer).Truncate(0) })
		if err != nil {
			file.release()
			return nil, err
		}
	}
	return file, nil
}

// rehearse checks with an unnamed file in the same directory whether a new file called
// name could be adopted. A file that was created under its name could not be removed
// again: another process may have opened it since.
func rehearse(name string, o Options) error {
	if _, err := os.Stat(name); err == nil {
		return nil // it exists, and adopt will tell
	}
	f, err := os.OpenFile(filepath.Dir(followed(name)), os.O_RDWR|unix.O_TMPFILE, 0o600)
	if err != nil {
		return nil // no such directory, and open will tell, or no O_TMPFILE here
	}
	defer f.Close()
	file, err := adopt(f, o)
	if err != nil {
		return err
	}
	return file.release()
}

// followed returns where open would create name: at the end of its symbolic links.
func followed(name string) string {
	for range 40 { // as many as Linux follows
		to, err := os.Readlink(name)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(name), to)
		}
		name = to
	}
	return name
}

// keptFlags are the flags of an adopted descriptor that determine the promises of a
// write.
const keptFlags = unix.O_ACCMODE | unix.O_SYNC | unix.O_DSYNC | unix.O_NOATIME

// reopen opens the file of fd once more, without O_DIRECT.
func reopen(fd uintptr) (*os.File, error) {
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	if flags&unix.O_APPEND != 0 {
		return nil, errAppend
	}
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), flags&keptFlags, 0)
}

// reopenFile opens the file of f once more, so that f's flags do not change.
func reopenFile(f *os.File, o Options) (*File, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var again *os.File
	if ctl := raw.Control(func(fd uintptr) { again, err = reopen(fd) }); ctl != nil {
		err = ctl
	}
	if _, closed := f.Stat(); errors.Is(closed, os.ErrClosed) {
		err = os.ErrClosed // errors.Is does not find that in the error of Control
	}
	if err != nil {
		return nil, err
	}
	file, err := adopt(again, o)
	if err != nil {
		again.Close()
	}
	return file, err
}

// adopt makes a File of f, which belongs to the File if there is no error.
func adopt(f *os.File, o Options) (*File, error) {
	fd := int(f.Fd())
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	on := uint64(st.Dev)
	key := inode{dev: on, ino: st.Ino}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFBLK:
		on = uint64(st.Rdev)
		key = inode{dev: on, block: true}
	case unix.S_IFDIR:
		return nil, unix.EISDIR
	default:
		return nil, fmt.Errorf("%w: neither a regular file nor a block device", fs.ErrInvalid)
	}
	d := &linuxFile{f: f, fd: fd, block: key.block, disk: on}
	if o.Lock {
		if err := uninterrupted(func() error { return unix.Flock(fd, unix.LOCK_EX) }); err != nil {
			return nil, fmt.Errorf("flock: %w", err)
		}
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	if o.Strategy.Direct() { // set here, so that a refusal is not that of open
		switch _, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, flags|unix.O_DIRECT); err {
		case nil:
		case unix.EINVAL:
			return nil, fmt.Errorf("%w: %s does not support O_DIRECT; choose the strategy buffered, or another file system", ErrNotDirect, fileSystem(fd))
		default:
			return nil, err
		}
	}
	d.geo = geometry(fd, &st, o.Strategy.Direct())
	file, err := newFile(d, key, diskOf(on), o)
	if err != nil {
		return nil, err
	}
	file.pages = d.block
	file.readOnly, file.writeOnly = flags&unix.O_ACCMODE == unix.O_RDONLY, flags&unix.O_ACCMODE == unix.O_WRONLY
	return file, nil
}
