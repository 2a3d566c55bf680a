package watch

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"stablepages/bench/aio"
	"stablepages/bench/scratch"
)

// fileOf looks at so many descriptors of a process, and at so many extents of each file.
const (
	mostDescriptors = 4096
	mostExtents     = 16 << 10
)

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
		name := filepath.Join(dir, "fd", fd)
		if aio.DirectIn(filepath.Join(dir, "fdinfo", fd)) && hasSector(name, dev, sector) {
			target, _ := os.Readlink(name)
			return target
		}
	}
	return ""
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
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOATIME, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	start, _ := strconv.ParseUint(attribute(sysDir(dev), "start"), 10, 64) // of a partition, in sectors
	address, looked := int64(sector-start)*512, 0
	for e, err := range scratch.Extents(f) {
		if looked++; err != nil || looked > mostExtents {
			return false
		}
		if address >= e.Physical && address < e.Physical+e.Length {
			return true
		}
	}
	return false
}
