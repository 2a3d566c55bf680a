package watch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
)

// layersOf are what a write to dev passes, the highest first: the file system that
// is mounted from it, and devices down to disks.
func layersOf(dev uint32) []record.Layer {
	var all []record.Layer
	if fs := mountedFrom(dev); fs != "" {
		all = append(all, record.Layer{Name: fs})
	}
	return devicesBelow(all, dev, 0)
}

// deepest bounds what is followed: loop devices can be made of each other.
const deepest = 16

func devicesBelow(all []record.Layer, dev uint32, depth int) []record.Layer {
	dir := sysDir(dev)
	if dir == "" || depth > deepest {
		return all
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		dir = filepath.Dir(dir)
	}
	name := filepath.Base(dir)
	add := func(layer string) {
		l := record.Layer{Name: layer, Device: name}
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	exists := func(sub string) bool {
		_, err := os.Stat(filepath.Join(dir, sub))
		return err == nil
	}
	switch {
	case exists("dm"):
		for _, target := range targetsOf(dev) {
			add("dm " + target)
		}
	case exists("md"):
		add("md " + attribute(dir, "md/level"))
	case exists("loop"):
		how := "loop"
		if attribute(dir, "loop/dio") == "0" {
			how = "loop, buffered"
		}
		add(how)
		var st unix.Stat_t
		if unix.Stat(attribute(dir, "loop/backing_file"), &st) == nil {
			below := numberOf(unix.Major(st.Dev), unix.Minor(st.Dev))
			if st.Mode&unix.S_IFMT == unix.S_IFBLK {
				below = numberOf(unix.Major(st.Rdev), unix.Minor(st.Rdev))
			} else if fs := mountedFrom(below); fs != "" {
				all = append(all, record.Layer{Name: fs})
			}
			all = devicesBelow(all, below, depth+1)
		}
	case strings.HasPrefix(name, "drbd"), strings.HasPrefix(name, "bcache"), strings.HasPrefix(name, "nbd"), strings.HasPrefix(name, "zram"):
		add(strings.TrimRight(name, "0123456789"))
	default:
		// An integrity profile that the block layer makes tags for
		// (Documentation/ABI/stable/sysfs-block).
		if f := attribute(dir, "integrity/format"); f != "" && f != "none" && f != "nop" && attribute(dir, "integrity/write_generate") == "1" {
			add("T10 PI")
		} else {
			add("disk")
		}
	}
	slaves, _ := filepath.Glob(filepath.Join(dir, "slaves", "*"))
	for _, s := range slaves {
		var st unix.Stat_t
		if unix.Stat("/dev/"+filepath.Base(s), &st) == nil {
			all = devicesBelow(all, numberOf(unix.Major(st.Rdev), unix.Minor(st.Rdev)), depth+1)
		}
	}
	return all
}

// mountedFrom is the type of the file system that is mounted from dev, "" if there
// is none. btrfs files have a device number that no device has, so its source is
// compared, too.
func mountedFrom(dev uint32) string {
	table, _ := os.ReadFile("/proc/self/mountinfo")
	for lines := bufio.NewScanner(bytes.NewReader(table)); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if len(head) < 5 || len(tail) < 2 {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(tail[1], &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK && numberOf(unix.Major(st.Rdev), unix.Minor(st.Rdev)) == dev {
			return tail[0]
		}
		if dir := sysDir(dev); dir != "" && head[2] == attribute(dir, "dev") {
			return tail[0]
		}
	}
	return ""
}

// targetsOf are the kinds of a device mapper's targets, from a request of
// include/uapi/linux/dm-ioctl.h, for dm-integrity with its mode. They are not known
// if the device mapper cannot be asked.
func targetsOf(dev uint32) (kinds []string) {
	const (
		header, spec, room = 312, 40, 16 << 10
		tableStatus        = 3<<30 | header<<16 | 0xfd<<8 | 12 // DM_TABLE_STATUS
		statusTable        = 1 << 4                            // DM_STATUS_TABLE_FLAG
	)
	ctl, err := unix.Open("/dev/mapper/control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return []string{"target"}
	}
	defer unix.Close(ctl)
	b, le := make([]byte, room), binary.LittleEndian
	le.PutUint32(b[0:], 4) // the version of the interface
	le.PutUint32(b[12:], room)
	le.PutUint32(b[16:], header)
	le.PutUint32(b[28:], statusTable)
	le.PutUint64(b[40:], unix.Mkdev(dev>>minorBits, dev&(1<<minorBits-1)))
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(ctl), tableStatus, uintptr(unsafe.Pointer(&b[0]))); errno != 0 {
		return []string{"target"}
	}
	at := int(le.Uint32(b[16:]))
	for range le.Uint32(b[20:]) {
		if at+spec > len(b) {
			break
		}
		kind := unix.ByteSliceToString(b[at+24 : at+40])
		// dev start tag_size mode ... (Documentation/admin-guide/device-mapper/dm-integrity.rst)
		if params := strings.Fields(unix.ByteSliceToString(b[at+spec:])); kind == "integrity" && len(params) > 3 {
			kind += " " + params[3]
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		at = int(le.Uint32(b[16:])) + int(le.Uint32(b[at+20:]))
	}
	return kinds
}
