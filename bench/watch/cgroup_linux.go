package watch

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
)

// fileidKernfs is FILEID_KERNFS of include/linux/exportfs.h: a handle of 8 bytes, the
// ID of a control group.
const fileidKernfs = 0xfe

// cgroupPath returns the path of a control group below its mount, "" for ID 0, and the
// ID of a control group that is gone.
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

// cgroupMounts returns the mounts of control groups that bios belong to: version 1's
// blkio first, then version 2.
func cgroupMounts() []string {
	var v1, v2 []string
	for _, m := range record.Mounts() {
		switch {
		case m.FileSystem == "cgroup" && strings.Contains(m.Special, "blkio"):
			v1 = append(v1, m.Dir)
		case m.FileSystem == "cgroup2":
			v2 = append(v2, m.Dir)
		}
	}
	return append(v1, v2...)
}
