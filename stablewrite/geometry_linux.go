package stablewrite

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// geometry learns what fd asks of direct I/O: from statx (Linux 6.1, where the
// file system tells), else from the sector size of the device, else from what a
// read is accepted with.
func geometry(fd int, st *unix.Stat_t, direct bool) Geometry {
	if !direct {
		return Geometry{MemAlign: 1, OffsetAlign: 1, Source: "page cache", Direct: DirectNo, Why: "opened without O_DIRECT"}
	}
	var g Geometry
	g.Direct, g.Why = directness(fd, st)
	var stx unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &stx)
	switch tells := err == nil && stx.Mask&unix.STATX_DIOALIGN != 0; {
	case tells && stx.Dio_offset_align != 0:
		g.MemAlign, g.OffsetAlign, g.Source = int(stx.Dio_mem_align), int(stx.Dio_offset_align), "statx"
		return g
	case tells:
		g.Direct, g.Why = DirectNo, "statx says that direct I/O is not supported on this file"
	}
	if g.OffsetAlign, g.Source = sectorSize(fd, st), "sector size"; g.OffsetAlign == 0 {
		g.OffsetAlign, g.Source = probeAlign(fd)
	}
	g.MemAlign = min(g.OffsetAlign, memoryAlign)
	return g
}

// sectorSize is the logical sector size of the device that holds fd, or 0 if
// that is not one device (btrfs, tmpfs, network file systems).
func sectorSize(fd int, st *unix.Stat_t) int {
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		n, _ := unix.IoctlGetInt(fd, unix.BLKSSZGET)
		return n
	}
	return queueValue(uint64(st.Dev), "logical_block_size")
}

// queueValue is what the queue of a block device has under name, or 0.
func queueValue(dev uint64, name string) int {
	for _, queue := range []string{"queue", "../queue"} { // a disk; a partition
		b, _ := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/%s/%s", unix.Major(dev), unix.Minor(dev), queue, name))
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n > 0 {
			return n
		}
	}
	return 0
}

// largestBlock is the largest block size of a file system that Linux mounts.
const largestBlock = 64 << 10

// probeAlign reads with growing alignment until the kernel accepts. It begins
// at the block size of the file system: some accept less and then do not read
// directly, which is not what alignment is for.
func probeAlign(fd int) (int, string) {
	first := 512
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err == nil && fs.Bsize >= 512 && fs.Bsize&(fs.Bsize-1) == 0 {
		first = int(min(fs.Bsize, largestBlock))
	}
	p := AlignedBuffer(largestBlock)
	for n := first; n <= largestBlock; n *= 2 {
		if _, err := unix.Pread(fd, p[:n], 0); err == nil {
			return n, "read probe"
		}
	}
	return first, "assumed: no read was accepted"
}

var fileSystemNames = map[int64]string{
	unix.BTRFS_SUPER_MAGIC: "btrfs", unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs",
}

// fileSystem names the file system that fd is on.
func fileSystem(fd int) string {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return "the file system"
	}
	return cmp.Or(fileSystemNames[int64(fs.Type)], fmt.Sprintf("a file system of type %#x", fs.Type))
}

// Inode flags of FS_IOC_GETFLAGS, include/uapi/linux/fs.h.
const (
	extentsFlag = 0x00080000 // FS_EXTENT_FL
	noCowFlag   = 0x00800000 // FS_NOCOW_FL
)

// inodeFlags are the flags of chattr(1), or 0 where there are none.
func inodeFlags(fd int) uint32 {
	flags, _ := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	return flags
}

// directness is what is known without trying.
func directness(fd int, st *unix.Stat_t) (Directness, string) {
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		return DirectYes, "a block device"
	}
	switch name := fileSystem(fd); name {
	case "xfs":
		return DirectYes, "xfs"
	case "ext4":
		if inodeFlags(fd)&extentsFlag == 0 {
			return DirectUnknown, "ext4 without extents writes holes through the page cache"
		}
		return DirectYes, "ext4"
	case "tmpfs":
		return DirectNo, "tmpfs accepts O_DIRECT and has no media to write to"
	case "btrfs":
		return btrfsDirectness(fd, st)
	default:
		return DirectUnknown, name + " is not known to this program"
	}
}

// btrfsDirectness: from Linux 6.15 on (commit 968f19c5b1b7) btrfs writes inodes
// with data checksums through the page cache; stable kernels took that over at
// various times.
//
// Whether an inode has data checksums is settled when it is created. The mount
// options speak of new inodes only, and no flag of FS_IOC_GETFLAGS tells.
func btrfsDirectness(fd int, st *unix.Stat_t) (Directness, string) {
	if inodeFlags(fd)&noCowFlag != 0 {
		return DirectYes, "btrfs without data checksums (nodatacow)"
	}
	if options, ok := mountOptions(fd); !ok {
		return DirectUnknown, "btrfs, perhaps mounted without data checksums"
	} else if strings.Contains(options, "nodatasum") || strings.Contains(options, "nodatacow") {
		if st.Size > 0 {
			return DirectUnknown, "btrfs mounted without data checksums, which this file may have from before"
		}
		return DirectYes, "btrfs mounted without data checksums"
	}
	if kernelAtLeast(6, 15) {
		return DirectNo, "btrfs with data checksums writes through the page cache from Linux 6.15 on (a file created without them does not)"
	}
	return DirectUnknown, "btrfs with data checksums: some stable kernels before 6.15 write through the page cache too"
}

// mountOptions are those of the file system of fd, found in
// /proc/self/mountinfo (proc(5)) by the number of its mount (Linux 5.8).
func mountOptions(fd int) (options string, ok bool) {
	var stx unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stx); err != nil || stx.Mask&unix.STATX_MNT_ID == 0 {
		return "", false
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", false
	}
	id := strconv.FormatUint(stx.Mnt_id, 10) + " "
	for line := range strings.Lines(string(table)) {
		if _, super, found := strings.Cut(line, " - "); found && strings.HasPrefix(line, id) {
			return super, true
		}
	}
	return "", false
}

func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	var a, b int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); err != nil {
		return false
	}
	return a > major || a == major && b >= minor
}
