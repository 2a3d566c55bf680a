package stablewrite

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// geometry learns the alignment for direct I/O of fd: from statx (Linux 6.1, if the file
// system reports it), else from the sector size of the device, else by trying reads.
func geometry(fd int, st *unix.Stat_t, direct bool) Geometry {
	if !direct {
		return Geometry{MemAlign: 1, OffsetAlign: 1, Source: "page cache", Direct: DirectNo, Why: "opened without O_DIRECT"}
	}
	var g Geometry
	g.Direct, g.Why = directness(fd, st)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err == nil && flags&unix.O_DIRECT == 0 {
		g.Direct, g.Why = DirectNo, "O_DIRECT was set and is gone: a guard such as stablewrite run takes it away"
	}
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

// sectorSize returns the logical sector size of the device that holds fd, or 0 if
// that is not one device (btrfs, tmpfs, network file systems).
func sectorSize(fd int, st *unix.Stat_t) int {
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		n, _ := unix.IoctlGetInt(fd, unix.BLKSSZGET)
		return n
	}
	return queueValue(uint64(st.Dev), "logical_block_size")
}

// queueValue returns an attribute of the queue of a block device, or 0.
func queueValue(dev uint64, name string) int {
	n, _ := strconv.Atoi(diskAttribute(dev, "queue/"+name))
	return max(n, 0)
}

// diskAttribute returns an attribute in sysfs of a block device, or of its disk if it is
// a partition; "" without such an attribute.
func diskAttribute(dev uint64, name string) string {
	for _, disk := range []string{"", "../"} {
		b, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/%s%s", unix.Major(dev), unix.Minor(dev), disk, name))
		if err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

// largestBlock is the largest block size of a file system that Linux mounts.
const largestBlock = 64 << 10

// probeAlign reads with growing alignment until the kernel accepts. It begins at the
// block size of the file system: some file systems accept less and then do not read
// directly.
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

// inodeFlags returns the flags of chattr(1), or 0 if the file system has none.
func inodeFlags(fd int) uint32 {
	flags, _ := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	return flags
}

// directness says how the kernel should write fd, by its file system and version.
func directness(fd int, st *unix.Stat_t) (Directness, string) {
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		return DirectYes, "assumed of block devices"
	}
	switch name := fileSystem(fd); name {
	case "xfs":
		return xfsDirectness(uint64(st.Dev))
	case "ext4":
		if inodeFlags(fd)&extentsFlag == 0 {
			return DirectUnknown, "ext4 without extents writes holes through the page cache"
		}
		return DirectYes, "assumed of ext4"
	case "tmpfs":
		return DirectNo, "tmpfs accepts O_DIRECT and has no media to write to"
	case "btrfs":
		return btrfsDirectness(fd, st)
	default:
		return DirectUnknown, name + " is not known to this program"
	}
}

// xfsDirectness: from Linux 7.0 on (commits c9d114846b38, 3373503df025) xfs bounces
// direct writes to a device that needs stable pages.
func xfsDirectness(dev uint64) (Directness, string) {
	need := needsStablePages(dev)
	if need == "" || !kernelAtLeast(7, 0) {
		return DirectYes, "assumed of xfs"
	}
	return DirectBounced, "assumed of xfs from Linux 7.0 on (commit 3373503df025), on a device that needs stable pages (" + need + ")"
}

// needsStablePages returns the attribute by which the kernel knows that a block device
// needs stable pages, or "". It follows bdev_stable_writes() of include/linux/blkdev.h:
// with protection information a device needs them though queue/stable_writes is 0. A
// device may need them without telling: dm-integrity in Linux 6.18 to 7.2.
func needsStablePages(dev uint64) string {
	if queueValue(dev, "stable_writes") > 0 {
		return "queue/stable_writes"
	}
	switch format := diskAttribute(dev, "integrity/format"); format {
	case "", "none", "nop":
		return ""
	default:
		return "integrity/format is " + format
	}
}

// btrfsDirectness asks the kernel what btrfsWrites needs to know.
//
// An inode gets data checksums, or none, when it is created. The mount options apply to
// new inodes only, and no flag of FS_IOC_GETFLAGS tells.
func btrfsDirectness(fd int, st *unix.Stat_t) (Directness, string) {
	sums, what := yes, "btrfs with data checksums"
	switch options, ok := mountOptions(fd); {
	case inodeFlags(fd)&noCowFlag != 0:
		sums, what = no, "btrfs without data checksums (nodatacow)"
	case !ok:
		sums, what = perhaps, "btrfs, perhaps mounted without data checksums"
	case !strings.Contains(options, "nodatasum") && !strings.Contains(options, "nodatacow"):
	case st.Size > 0:
		sums, what = perhaps, "btrfs mounted without data checksums, which this file may have from before"
	default:
		sums, what = no, "btrfs mounted without data checksums"
	}
	return btrfsWrites(kernelAtLeast, sums, btrfsRedundant(fd), what)
}

// answer is the answer to a question about a file.
type answer uint8

const (
	perhaps answer = iota
	no
	yes
)

// btrfsWrites says how btrfs writes a file with data checksums or without (what names
// this), in a file system whose data are redundant, that is mirrored or with parity, or
// not. It writes directly only what needs no stable pages: from Linux 6.15 on (commit
// 968f19c5b1b7) no file with data checksums, from 7.0 on (commit 7c2830f00c3e) no
// redundant data. Stable kernels from 6.12 on have these commits, too. The others go
// through the page cache, and from Linux 7.3 on (commit e9b7b9d9e78e) they are bounced.
func btrfsWrites(atLeast func(major, minor int) bool, sums, redundant answer, what string) (Directness, string) {
	copied, how := DirectNo, "through the page cache"
	if atLeast(7, 3) {
		copied, how = DirectBounced, "bounced from Linux 7.3 on (commit e9b7b9d9e78e)"
	}
	switch {
	case redundant == yes && atLeast(7, 0):
		return copied, "assumed of btrfs with mirrored data or parity from Linux 7.0 on (commit 7c2830f00c3e): " + how
	case sums == yes && atLeast(6, 15):
		return copied, "assumed of " + what + " from Linux 6.15 on (commit 968f19c5b1b7): " + how + "; a file created without them may be written directly"
	case sums == yes:
		return DirectUnknown, what + ": some stable kernels before 6.15 write through the page cache too"
	case sums == perhaps:
		return DirectUnknown, what
	case redundant == yes && atLeast(6, 12):
		return DirectUnknown, what + ", with mirrored data or parity: some stable kernels from 6.12 on write through the page cache"
	case redundant == perhaps && atLeast(6, 12):
		return DirectUnknown, what + ", perhaps with mirrored data or parity"
	}
	return DirectYes, "assumed of " + what
}

// btrfsRedundant says whether the file system of fd keeps data mirrored or with parity, by
// a request that every user may make. While a balance converts data, it has both kinds of
// block groups, and btrfs allocates the redundant one.
func btrfsRedundant(fd int) answer {
	const (
		spaceInfo = 3<<30 | 16<<16 | 0x94<<8 | 20 // BTRFS_IOC_SPACE_INFO of include/uapi/linux/btrfs.h
		data      = 1 << 0                        // BTRFS_BLOCK_GROUP_DATA of include/uapi/linux/btrfs_tree.h
		redundant = 1<<11 - 1<<4                  // RAID1, DUP, RAID10, RAID5, RAID6, RAID1C3, RAID1C4
		kinds     = 64                            // more than there are kinds of block groups
	)
	var request struct {
		Slots, Spaces uint64
		Space         [kinds]struct{ Flags, Total, Used uint64 }
	}
	request.Slots = kinds
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), spaceInfo, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return perhaps
	}
	for _, space := range request.Space[:min(request.Spaces, kinds)] {
		if space.Flags&data != 0 && space.Flags&redundant != 0 {
			return yes
		}
	}
	return no
}

// mountOptions returns the options of the file system of fd. It finds them in
// /proc/self/mountinfo (proc(5)) by the number of the mount (Linux 5.8).
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
