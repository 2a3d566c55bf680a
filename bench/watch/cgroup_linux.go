package watch

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fileidKernfs is FILEID_KERNFS of include/linux/exportfs.h: a handle of 8 bytes, the
// ID of a control group.
const fileidKernfs = 0xfe

// cgroupPath is the path of a control group below its mount; "" for none, its ID if
// it is gone.
func cgroupPath(id uint64) string {
	if id == 0 {
		return ""
	}
	handle := unix.NewFileHandle(fileidKernfs, binary.NativeEndian.AppendUint64(nil, id))
	for _, mount := range cgroupMounts() {
		dir, err := unix.Open(mount, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		fd, err := unix.OpenByHandleAt(dir, handle, unix.O_RDONLY|unix.O_CLOEXEC)
		unix.Close(dir)
		if err != nil {
			continue
		}
		path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		unix.Close(fd)
		if below, ok := strings.CutPrefix(path, mount); err == nil && ok {
			return "/" + strings.TrimPrefix(below, "/")
		}
	}
	return strconv.FormatUint(id, 10)
}

// cgroupMounts are the hierarchies that bios can be of: that of version 1's blkio,
// or else that of version 2.
func cgroupMounts() []string {
	var v1, v2 []string
	table, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(table)) {
		before, after, _ := strings.Cut(line, " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if len(head) < 5 || len(tail) < 3 {
			continue
		}
		switch {
		case tail[0] == "cgroup" && strings.Contains(tail[2], "blkio"):
			v1 = append(v1, head[4])
		case tail[0] == "cgroup2":
			v2 = append(v2, head[4])
		}
	}
	return append(v1, v2...)
}
