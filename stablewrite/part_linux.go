package stablewrite

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// WritePart writes p, within one unit, which cannot be written directly.
func (d *linuxFile) WritePart(p []byte, off int64) (int, error) {
	d.part.Lock()
	defer d.part.Unlock()
	if d.block {
		return d.patch(p, off)
	}
	return d.through(p, off)
}

// through writes p through the page cache, and waits until it is on the media. The file
// grows by no more than p, and the kernel keeps bytes that others write to the same unit.
// If this read the unit to write it again, those bytes would be lost; if it padded p, it
// would have to truncate the file, and lose bytes that others append.
func (d *linuxFile) through(p []byte, off int64) (n int, err error) {
	n, err = d.cached.WriteAt(p, off)
	if err != nil {
		return n, pathless(err)
	}
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	if err = uninterrupted(func() error { return unix.SyncFileRange(int(d.cached.Fd()), off, int64(n), all) }); err != nil {
		return 0, err
	}
	return n, nil
}

// openParts opens the file once more, without O_DIRECT, if through needs it.
func (d *linuxFile) openParts() (err error) {
	d.part.Lock()
	defer d.part.Unlock()
	if d.block || d.geo.OffsetAlign == 1 || d.cached != nil {
		return nil
	}
	if d.cached, err = reopen(uintptr(d.fd)); err != nil {
		return fmt.Errorf("opening the file once more, for parts of units: %w", pathless(err))
	}
	return nil
}

// patch reads the unit of a block device, and writes it with p in it.
func (d *linuxFile) patch(p []byte, off int64) (int, error) {
	if d.unit == nil {
		d.unit = AlignedBuffer(d.geo.OffsetAlign)
	}
	at := off - off%int64(len(d.unit))
	if n, err := d.ReadAt(d.unit, at); err == io.EOF && n == 0 {
		return 0, unix.ENOSPC // as for any write past the end
	} else if err != nil {
		return 0, fmt.Errorf("reading the rest of the unit at %d: %w", at, err)
	}
	copy(d.unit[off-at:], p)
	n, err := d.WriteAt(d.unit, at)
	if err == nil && n < len(d.unit) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
