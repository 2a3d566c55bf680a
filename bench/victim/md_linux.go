package victim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// md raid1 submits the caller's memory once for each leg, which reads it in its
// own time: after a change in flight the legs differ. Nobody is told; a check
// (mismatch_cnt) finds it later.
var md = layer{
	name: "md-raid1", about: "a mirror: what changed in flight is not the same on both legs",
	modules:  always("md_mod", "raid1"),
	disks:    func(bytes int64) []int64 { return []int64{bytes, bytes} },
	blank:    true,
	evidence: []string{"md0: mismatch", "md/raid1:md0: redirecting"},
	make:     assemble,
}

const mdSysfs = "/sys/block/md0/md/"

// assemble makes md0 of the disks, without metadata, by what the kernel has in
// sysfs for it (Documentation/admin-guide/md.rst). The legs are taken for equal,
// which those of a new array are, and those after a power cut are to be shown.
func assemble(s *Stage, disks []string, bytes int64) (string, error) {
	// Where there is no udev the array is made by naming it.
	if err := write("/sys/module/md_mod/parameters/new_array", "md0"); err != nil {
		return "", err
	}
	settings := [][2]string{{"metadata_version", "none"}, {"level", "raid1"}, {"raid_disks", strconv.Itoa(len(disks))}}
	for i, disk := range disks {
		if err := awaitDevice(disk); err != nil {
			return "", err
		}
		leg, err := os.OpenFile(disk, os.O_RDONLY|unix.O_DIRECT, 0)
		if err != nil {
			return "", err
		}
		s.Below = append(s.Below, leg)
		name := filepath.Base(disk)
		number, err := os.ReadFile("/sys/block/" + name + "/dev")
		if err != nil {
			return "", err
		}
		settings = append(settings,
			[2]string{"new_dev", strings.TrimSpace(string(number))},
			[2]string{"dev-" + name + "/slot", strconv.Itoa(i)})
	}
	settings = append(settings, [2]string{"component_size", strconv.FormatInt(bytes>>10, 10)}, [2]string{"resync_start", "none"}, [2]string{"array_state", "active"})
	for _, set := range settings {
		if err := write(mdSysfs+set[0], set[1]); err != nil {
			return "", err
		}
	}
	s.where = func(bytes int64) ([]extent, error) { return []extent{{0, bytes}}, nil }
	s.Legs, s.Mismatches = s.readLegs(), mismatchCount
	return "/dev/md0", nil
}

func write(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err != nil {
		err = fmt.Errorf("%w (writing %q)", err, text)
	}
	return errors.Join(err, f.Close())
}

// readLegs returns the oracle Legs. Reading the array would ask one of them.
func (s *Stage) readLegs() func([]uint32) (torn, differ int, err error) {
	var buf []byte
	return func(want []uint32) (torn, differ int, err error) {
		if n := len(want) * crcguard.BlockSize; len(buf) != n {
			buf = stablewrite.AlignedBuffer(n)
		}
		extents, err := s.where(int64(len(buf)))
		if err != nil {
			return 0, 0, err
		}
		got := make([][]uint32, len(s.Below))
		for i, leg := range s.Below {
			at := int64(0)
			for _, e := range extents {
				if _, err := leg.ReadAt(buf[at:at+e.bytes], e.off); err != nil {
					return 0, 0, fmt.Errorf("read leg %s: %w", leg.Name(), err)
				}
				at += e.bytes
			}
			got[i] = make([]uint32, len(want))
			crcguard.ChecksumBlocks(buf, got[i])
		}
		for block, sum := range want {
			isTorn, differs := false, false
			for _, leg := range got {
				isTorn = isTorn || leg[block] != sum
				differs = differs || leg[block] != got[0][block]
			}
			if isTorn {
				torn++
			}
			if differs {
				differ++
			}
		}
		return torn, differ, nil
	}
}

// mismatchCount has the array checked. What it returns, in sectors rounded up to
// the kernel's unit, says no more than whether there is a difference: it is 128
// for one bad block.
func mismatchCount() (int, error) {
	if err := write(mdSysfs+"sync_action", "check"); err != nil {
		return 0, err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		action, err := os.ReadFile(mdSysfs + "sync_action")
		if err != nil {
			return 0, err
		}
		if strings.TrimSpace(string(action)) == "idle" {
			break
		}
		if time.Now().After(deadline) {
			return 0, errors.New("the check of the array does not end")
		}
	}
	b, err := os.ReadFile(mdSysfs + "mismatch_cnt")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
