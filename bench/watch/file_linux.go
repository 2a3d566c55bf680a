package watch

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mostDescriptors bounds what is looked at of a process.
const mostDescriptors = 4096

// fileOf is the file of a process that has a sector of dev, of those that it has
// open for direct I/O; "" if there is none.
func fileOf(pid int, dev uint32, sector uint64) string {
	dir := "/proc/" + strconv.Itoa(pid)
	fds, err := os.Open(dir + "/fd")
	if err != nil {
		return ""
	}
	defer fds.Close()
	names, _ := fds.Readdirnames(mostDescriptors)
	for _, fd := range names {
		if !direct(dir, fd) {
			continue
		}
		if name := filepath.Join(dir, "fd", fd); hasSector(name, dev, sector) {
			target, _ := os.Readlink(name)
			return target
		}
	}
	return ""
}

// direct reports whether a descriptor is open for direct I/O.
func direct(dir, fd string) bool {
	b, _ := os.ReadFile(filepath.Join(dir, "fdinfo", fd))
	_, rest, _ := strings.Cut(string(b), "flags:")
	field, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	flags, err := strconv.ParseUint(field, 8, 64)
	return err == nil && flags&unix.O_DIRECT != 0
}

// hasSector reports whether the file that name leads to lies on dev, or is it, and
// has its sector, which counts from the start of the disk.
func hasSector(name string, dev uint32, sector uint64) bool {
	var st unix.Stat_t
	if unix.Stat(name, &st) != nil {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		return numberOf(unix.Major(st.Rdev), unix.Minor(st.Rdev)) == dev
	case unix.S_IFREG:
	default:
		return false
	}
	start, _ := strconv.ParseUint(attribute(sysDir(dev), "start"), 10, 64) // of a partition, in sectors
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if numberOf(unix.Major(st.Dev), unix.Minor(st.Dev)) != dev { // as of btrfs, whose addresses are no device's
		return false
	}
	return mapsTo(fd, (sector-start)*512)
}

const (
	fiemapHeader = 32
	fiemapBatch  = 256
	fiemapMost   = 64 // batches, of a file that lies in many pieces
	fiemapLast   = 1
)

// mapsTo reports whether a file has the byte of its device at address
// (Documentation/filesystems/fiemap.rst).
func mapsTo(fd int, address uint64) bool {
	type extent struct {
		Logical, Physical, Length uint64
		_                         [2]uint64
		Flags                     uint32
		_                         [3]uint32
	}
	var request struct {
		Start, Length                 uint64
		Flags, Mapped, Count, Reserve uint32
		Extents                       [fiemapBatch]extent
	}
	for range fiemapMost {
		request.Length, request.Count, request.Mapped = ^uint64(0)-request.Start, fiemapBatch, 0
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), fsIocFiemap, uintptr(unsafe.Pointer(&request))); errno != 0 {
			return false
		}
		for _, e := range request.Extents[:request.Mapped] {
			if address >= e.Physical && address < e.Physical+e.Length {
				return true
			}
			if e.Flags&fiemapLast != 0 {
				return false
			}
			request.Start = e.Logical + e.Length
		}
		if request.Mapped == 0 {
			return false
		}
	}
	return false
}

// fsIocFiemap is FS_IOC_FIEMAP of include/uapi/linux/fs.h.
const fsIocFiemap = 3<<30 | fiemapHeader<<16 | 'f'<<8 | 11
