package record

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// describe adds the kernel and, if f is not nil, the file system and device below f.
func (s *System) describe(f *os.File) {
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		s.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	var st unix.Stat_t
	if f == nil || unix.Fstat(int(f.Fd()), &st) != nil {
		return
	}
	dev := st.Dev
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		dev, s.Device = st.Rdev, f.Name()
	} else if m, ok := mountOf(int(f.Fd())); ok {
		s.FileSystem, s.MountOptions, s.Device = m.FileSystem, m.Options+","+m.Special, m.Source
		var source unix.Stat_t // btrfs files have a device number that no device has
		if err := unix.Stat(m.Source, &source); err == nil && source.Mode&unix.S_IFMT == unix.S_IFBLK {
			dev = source.Rdev
		}
	}
	if dir, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(dev), unix.Minor(dev))); err == nil {
		s.Device = filepath.Base(dir)
		if b, err := os.ReadFile(filepath.Join(diskOf(dir), "queue/stable_writes")); err == nil {
			s.StableWrites = new(strings.TrimSpace(string(b)) == "1")
		}
		s.Below = strings.Join(needsBelow(dir, 8), ", ")
	}
}

// mountOf returns the mount of fd.
func mountOf(fd int) (m Mount, ok bool) {
	var stx unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stx); err != nil || stx.Mask&unix.STATX_MNT_ID == 0 {
		return m, false
	}
	id := strconv.FormatUint(stx.Mnt_id, 10)
	for _, m := range Mounts() {
		if m.ID == id {
			return m, true
		}
	}
	return m, false
}

// diskOf is the directory of a disk in sysfs, given that of the disk or of a partition.
func diskOf(dir string) string {
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		return filepath.Dir(dir)
	}
	return dir
}

// needsBelow lists the layers that need stable pages in a device and, so many levels
// down, in the devices below it (Documentation/ABI/stable/sysfs-block,
// Documentation/admin-guide/md.rst). sysfs does not tell what a device-mapper target needs.
func needsBelow(dir string, levels int) (found []string) {
	dir = diskOf(dir)
	name := filepath.Base(dir)
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		return strings.TrimSpace(string(b))
	}
	if level := read("md/level"); strings.HasPrefix(level, "raid") && level != "raid0" {
		found = append(found, name+": "+level)
	}
	if strings.HasPrefix(name, "drbd") {
		found = append(found, name+": DRBD")
	}
	if format := read("integrity/format"); format != "" && format != "none" && format != "nop" {
		found = append(found, name+": "+format)
	}
	slaves, _ := filepath.Glob(filepath.Join(dir, "slaves", "*"))
	for _, slave := range slaves {
		if below, err := filepath.EvalSymlinks(slave); err == nil && levels > 0 {
			found = append(found, needsBelow(below, levels-1)...)
		}
	}
	return found
}
