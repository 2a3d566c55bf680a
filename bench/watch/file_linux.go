package watch

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mostDescriptors is how many descriptors of a process fileOf looks at.
const mostDescriptors = 4096

// fileOf returns which file, of those that a process has open for direct I/O, has a
// sector of dev; "" if none has.
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

// hasSector reports whether the file that name leads to is dev, or lies on dev and has
// the sector. Sectors count from the start of the disk.
func hasSector(name string, dev uint32, sector uint64) bool {
	var st unix.Stat_t
	if unix.Stat(name, &st) != nil {
		return false
	}
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		return numberOf(st.Rdev) == dev
	}
	// Files on btrfs are on no device by number, and their extents are not addresses of a
	// device.
	if st.Mode&unix.S_IFMT != unix.S_IFREG || numberOf(st.Dev) != dev {
		return false
	}
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	start, _ := strconv.ParseUint(attribute(sysDir(dev), "start"), 10, 64) // of a partition, in sectors
	return mapsTo(fd, (sector-start)*512)
}

const (
	fsIocFiemap = 3<<30 | 32<<16 | 'f'<<8 | 11 // FS_IOC_FIEMAP of include/uapi/linux/fs.h
	fiemapLast  = 1                            // FIEMAP_EXTENT_LAST
	fiemapBatch = 256                          // extents of a request
	fiemapMost  = 64                           // requests, for a file in many pieces
)

// mapsTo reports whether a file has the byte at an address of its device
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
