package record

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// SystemOf describes this machine, and the file system and device below f: a file, a
// directory or a block device, or nil.
func SystemOf(f *os.File) *System {
	s := &System{
		CPU: cpuModel(), CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Kernel: kernelRelease(), Go: runtime.Version(),
	}
	if f == nil {
		return s
	}
	fd := int(f.Fd())
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return s
	}
	dev := st.Dev
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		dev, s.Device = st.Rdev, f.Name()
	} else {
		m := mountOf(fd)
		if s.FileSystem, s.Device = m.FileSystem, m.Source; m.ID != "" {
			s.MountOptions = m.Options + "," + m.Special
		}
		var source unix.Stat_t // btrfs files have a device number that no device has
		if err := unix.Stat(m.Source, &source); err == nil && source.Mode&unix.S_IFMT == unix.S_IFBLK {
			dev = source.Rdev
		}
	}
	if dir, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(dev), unix.Minor(dev))); err == nil {
		s.Device = filepath.Base(dir)
		s.StableWrites = stableWrites(dir)
		s.Below = strings.Join(needsBelow(dir, 8), ", ")
	}
	return s
}

// stableWrites reads queue/stable_writes of a disk, or of the disk of a partition
// (Documentation/ABI/stable/sysfs-block).
func stableWrites(dir string) *bool {
	for _, queue := range []string{"queue", "../queue"} {
		b, err := os.ReadFile(filepath.Join(dir, queue, "stable_writes"))
		if err != nil {
			continue
		}
		on := strings.TrimSpace(string(b)) == "1"
		return &on
	}
	return nil
}

// needsBelow lists the layers that need stable pages in a device and, so many levels
// down, in the devices below it (Documentation/ABI/stable/sysfs-block,
// Documentation/admin-guide/md.rst). sysfs does not tell what a device-mapper target needs.
func needsBelow(dir string, levels int) (found []string) {
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		dir = filepath.Dir(dir)
	}
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		return strings.TrimSpace(string(b))
	}
	name := filepath.Base(dir)
	if level := read("md/level"); strings.HasPrefix(level, "raid") && level != "raid0" {
		found = append(found, name+": "+level)
	}
	if strings.HasPrefix(name, "drbd") {
		found = append(found, name+": DRBD")
	}
	if format := read("integrity/format"); format != "" && format != "none" && format != "nop" {
		found = append(found, name+": "+format)
	}
	slaves, _ := os.ReadDir(filepath.Join(dir, "slaves"))
	for _, slave := range slaves {
		below, err := filepath.EvalSymlinks(filepath.Join(dir, "slaves", slave.Name()))
		if err == nil && levels > 0 {
			found = append(found, needsBelow(below, levels-1)...)
		}
	}
	return found
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// mountOf returns the mount of fd.
func mountOf(fd int) Mount {
	var stx unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stx); err != nil || stx.Mask&unix.STATX_MNT_ID == 0 {
		return Mount{}
	}
	id := strconv.FormatUint(stx.Mnt_id, 10)
	for _, m := range Mounts() {
		if m.ID == id {
			return m
		}
	}
	return Mount{}
}
