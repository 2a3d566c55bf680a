package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// minorBits is how many bits of the kernel's number of a device are the minor number
// (include/linux/kdev_t.h).
const minorBits = 20

// numberOf returns the kernel's number of a device, from that of stat(2).
func numberOf(dev uint64) uint32 { return unix.Major(dev)<<minorBits | unix.Minor(dev) }

// numbers returns the major and minor number of a device as sysfs shows them.
func numbers(dev uint32) string { return fmt.Sprintf("%d:%d", dev>>minorBits, dev&(1<<minorBits-1)) }

// blockDevice returns the number of a block device, by its path.
func blockDevice(path string) (dev uint32, ok bool) {
	var st unix.Stat_t
	ok = unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK
	return numberOf(st.Rdev), ok
}

// sysDir returns the directory of a device in sysfs, "" if the device is gone.
func sysDir(dev uint32) string {
	dir, err := filepath.EvalSymlinks("/sys/dev/block/" + numbers(dev))
	if err != nil {
		return ""
	}
	return dir
}

// deviceName returns the name of a device in /dev, its numbers if the device is gone, and
// "" for device 0.
func deviceName(dev uint32) string {
	if dir := sysDir(dev); dir != "" {
		return strings.ReplaceAll(filepath.Base(dir), "!", "/")
	}
	if dev == 0 {
		return ""
	}
	return numbers(dev)
}

// attribute returns a file of sysfs without its end of line, "" if there is no such file.
func attribute(path ...string) string {
	b, _ := os.ReadFile(filepath.Join(path...))
	return strings.TrimSpace(string(b))
}

// numbersOf returns the numbers of the named devices, of their partitions, and of the
// devices on top of them: a write is counted at the highest device.
func numbersOf(names []string) (all []uint32, err error) {
	seen := map[uint32]bool{}
	var add func(dir string)
	add = func(dir string) {
		var major, minor uint32
		n, _ := fmt.Sscanf(attribute(dir, "dev"), "%d:%d", &major, &minor)
		dev := major<<minorBits | minor
		if n != 2 || seen[dev] {
			return
		}
		seen[dev] = true
		all = append(all, dev)
		partitions, _ := filepath.Glob(filepath.Join(dir, "*", "partition"))
		for _, p := range partitions {
			add(filepath.Dir(p))
		}
		holders, _ := filepath.Glob(filepath.Join(dir, "holders", "*"))
		for _, h := range holders {
			if to, err := filepath.EvalSymlinks(h); err == nil {
				add(to)
			}
		}
	}
	for _, name := range names {
		path := name
		if !strings.Contains(name, "/") {
			path = "/dev/" + name
		}
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: name a block device", err)
		}
		dev, ok := blockDevice(path)
		if !ok {
			return nil, fmt.Errorf("%s is not a block device", path)
		}
		dir := sysDir(dev)
		if dir == "" {
			return nil, fmt.Errorf("%s: there is no such device", path)
		}
		add(dir)
	}
	return all, nil
}
