package watch

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The kernel's numbers of devices are 12 bits of major and 20 of minor
// (include/linux/kdev_t.h).
const minorBits = 20

func numberOf(major, minor uint32) uint32 { return major<<minorBits | minor }

// sysDir is where sysfs describes a device, "" if it is gone.
func sysDir(dev uint32) string {
	dir, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", dev>>minorBits, dev&(1<<minorBits-1)))
	if err != nil {
		return ""
	}
	return dir
}

// deviceName is the name of a device in /dev, or its numbers if it is gone.
func deviceName(dev uint32) string {
	if dir := sysDir(dev); dir != "" {
		return strings.ReplaceAll(filepath.Base(dir), "!", "/")
	}
	if dev == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%d", dev>>minorBits, dev&(1<<minorBits-1))
}

// attribute is a file of sysfs, without its end of line; "" if there is none.
func attribute(path ...string) string {
	b, _ := os.ReadFile(filepath.Join(path...))
	return strings.TrimSpace(string(b))
}

// numbersOf are the devices named, their partitions, and what is made of them: a
// write counts once, at the highest.
func numbersOf(names []string) ([]uint32, error) {
	seen := map[uint32]bool{}
	var all []uint32
	var add func(dir string)
	add = func(dir string) {
		var major, minor uint32
		if n, _ := fmt.Sscanf(attribute(dir, "dev"), "%d:%d", &major, &minor); n != 2 || seen[numberOf(major, minor)] {
			return
		}
		seen[numberOf(major, minor)] = true
		all = append(all, numberOf(major, minor))
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
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return nil, fmt.Errorf("%s: %w: name a block device", path, err)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFBLK {
			return nil, fmt.Errorf("%s is not a block device", path)
		}
		dir := sysDir(numberOf(unix.Major(st.Rdev), unix.Minor(st.Rdev)))
		if dir == "" {
			return nil, fmt.Errorf("%s: there is no such device", path)
		}
		add(dir)
	}
	return all, nil
}

// statusField is a field of /proc/PID/status, "" if there is none.
func statusField(pid int, name string) string {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
