package watch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
)

// layersOf returns what a write to dev passes, the highest first: the file system that
// is mounted from dev, and devices down to disks.
func layersOf(dev uint32) []record.Layer { return devicesBelow(mountedFrom(nil, dev), dev, 0) }

// LayersOf returns what a write to a device passes, by the name of the device in /dev: the
// file system that is mounted from it, if there is any, and devices down to disks.
func LayersOf(device string) []record.Layer {
	dev, ok := blockDevice("/dev/" + device)
	if !ok {
		return nil
	}
	return layersOf(dev)
}

// deepest is how many levels of devices are followed: loop devices can form a circle.
const deepest = 16

func devicesBelow(all []record.Layer, dev uint32, depth int) []record.Layer {
	dir := sysDir(dev)
	if dir == "" || depth > deepest {
		return all
	}
	exists := func(sub string) bool {
		_, err := os.Stat(filepath.Join(dir, sub))
		return err == nil
	}
	if exists("partition") {
		dir = filepath.Dir(dir)
	}
	name := filepath.Base(dir)
	add := func(layer string) {
		if l := (record.Layer{Name: layer, Device: name}); !slices.Contains(all, l) {
			all = append(all, l)
		}
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
			below := numberOf(st.Rdev)
			if st.Mode&unix.S_IFMT != unix.S_IFBLK {
				below = numberOf(st.Dev)
				all = mountedFrom(all, below)
			}
			all = devicesBelow(all, below, depth+1)
		}
	case slices.Contains([]string{"drbd", "bcache", "nbd", "zram"}, strings.TrimRight(name, "0123456789")):
		add(strings.TrimRight(name, "0123456789"))
	case !slices.Contains([]string{"", "none", "nop"}, attribute(dir, "integrity/format")) && attribute(dir, "integrity/write_generate") == "1":
		add("T10 PI") // the block layer makes the tags (Documentation/ABI/stable/sysfs-block)
	case attribute(dir, "queue/stable_writes") == "1":
		add(Asking)
	default:
		add("disk")
	}
	slaves, _ := filepath.Glob(filepath.Join(dir, "slaves", "*"))
	for _, s := range slaves {
		if below, ok := blockDevice("/dev/" + filepath.Base(s)); ok {
			all = devicesBelow(all, below, depth+1)
		}
	}
	return all
}

// mountedFrom adds the file system that is mounted from dev, if there is any. Files on
// btrfs have a device number that no device has, and a mount names one of its devices.
func mountedFrom(all []record.Layer, dev uint32) []record.Layer {
	fs := ""
	for _, m := range record.Mounts() {
		if source, ok := blockDevice(m.Source); ok && source == dev || m.Device == numbers(dev) {
			if fs = m.FileSystem; ok {
				dev = source
			}
			break
		}
	}
	if fs == "" || fs == "btrfs" {
		on, _ := filepath.Glob("/sys/fs/btrfs/*/devices/" + deviceName(dev))
		for _, name := range on {
			fs = "btrfs" + redundant(filepath.Dir(filepath.Dir(name)))
		}
	}
	if fs == "" {
		return all
	}
	return append(all, record.Layer{Name: fs})
}

// redundant returns, after a space, the profile of the data of a btrfs, by its directory in
// sysfs; "" if the data are neither mirrored nor have parity.
func redundant(btrfs string) (profile string) {
	data, _ := filepath.Glob(btrfs + "/allocation/data/*/used_bytes")
	mixed, _ := filepath.Glob(btrfs + "/allocation/mixed/*/used_bytes")
	for _, name := range append(data, mixed...) {
		if p := filepath.Base(filepath.Dir(name)); p != "single" && p != "raid0" {
			profile = " " + p
		}
	}
	return profile
}

// targetsOf returns the kinds of the targets of a device-mapper device, with the mode of
// dm-integrity, by a request of include/uapi/linux/dm-ioctl.h. Its result is "target" if
// the request fails.
func targetsOf(dev uint32) (kinds []string) {
	var request struct {
		unix.DmIoctl
		table [16 << 10]byte
	}
	request.DmIoctl = unix.DmIoctl{
		Version: [3]uint32{4}, Data_size: uint32(unsafe.Sizeof(request)), Data_start: unix.SizeofDmIoctl,
		Flags: unix.DM_STATUS_TABLE_FLAG, Dev: unix.Mkdev(dev>>minorBits, dev&(1<<minorBits-1)),
	}
	ctl, err := unix.Open("/dev/mapper/control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return []string{"target"}
	}
	defer unix.Close(ctl)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(ctl), unix.DM_TABLE_STATUS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return []string{"target"}
	}
	for at := uint32(0); request.Target_count > 0 && at < uint32(len(request.table)-unix.SizeofDmTargetSpec); request.Target_count-- {
		spec := (*unix.DmTargetSpec)(unsafe.Pointer(&request.table[at]))
		kind := unix.ByteSliceToString(spec.Target_type[:])
		// dev start tag_size mode ... (Documentation/admin-guide/device-mapper/dm-integrity.rst)
		if params := strings.Fields(unix.ByteSliceToString(request.table[at+unix.SizeofDmTargetSpec:])); kind == "integrity" && len(params) > 3 {
			kind += " " + params[3]
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		at = spec.Next // from the first spec
	}
	return kinds
}
