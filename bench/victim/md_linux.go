package victim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// md raid1 submits the caller's memory once for each leg, and each leg reads the memory in
// its time: after a change in flight the legs differ. No error tells of it; a check of the
// array (mismatch_cnt) finds it later.
func md(bytes int64) Victim {
	return Victim{
		Name: "md-raid1", About: "a mirror: what changed in flight is not the same on both legs", NeedsStablePages: true,
		Modules: []string{"md_mod", "raid1"}, Disks: []int64{bytes, bytes}, blank: true,
		Evidence: []string{"md0: mismatch", "md/raid1:md0: redirecting"},
		make: func(s *Stage, disks []string) (string, error) {
			if err := errors.Join(s.mirror(disks), assemble(disks, bytes)); err != nil {
				return "", err
			}
			s.Mismatches = mismatchCount
			return "/dev/md0", nil
		},
	}
}

const mdSysfs = "/sys/block/md0/md/"

// assemble makes md0 from disks, without metadata, by the files that the kernel has in
// sysfs for it (Documentation/admin-guide/md.rst). The array takes the legs for equal: the
// legs of a new array are, and those after a power cut must stay as they are.
func assemble(disks []string, bytes int64) error {
	// Without udev, naming the array makes it.
	if err := write("/sys/module/md_mod/parameters/new_array", "md0"); err != nil {
		return err
	}
	settings := [][2]string{{"metadata_version", "none"}, {"level", "raid1"}, {"raid_disks", strconv.Itoa(len(disks))}}
	for i, disk := range disks {
		name := filepath.Base(disk)
		number, err := read("/sys/block/" + name + "/dev")
		if err != nil {
			return err
		}
		settings = append(settings, [][2]string{{"new_dev", number}, {"dev-" + name + "/slot", strconv.Itoa(i)}}...)
	}
	settings = append(settings, [][2]string{{"component_size", strconv.FormatInt(bytes>>10, 10)}, {"resync_start", "none"}, {"array_state", "active"}}...)
	for _, set := range settings {
		if err := write(mdSysfs+set[0], set[1]); err != nil {
			return err
		}
	}
	return nil
}

// read returns a file without its end of line.
func read(name string) (string, error) {
	b, err := os.ReadFile(name)
	return strings.TrimSpace(string(b)), err
}

func write(name, text string) error {
	if err := os.WriteFile(name, []byte(text), 0); err != nil {
		return fmt.Errorf("%w (writing %q)", err, text)
	}
	return nil
}

// mismatchCount has the array checked, and returns the sectors that differ, rounded up to
// the kernel's unit. This tells whether there is a difference and no more: one bad block
// counts as 128.
func mismatchCount() (int, error) {
	if err := write(mdSysfs+"sync_action", "check"); err != nil {
		return 0, err
	}
	if err := await("the end of the check of the array", func() (bool, error) {
		action, err := read(mdSysfs + "sync_action")
		return action == "idle", err
	}); err != nil {
		return 0, err
	}
	count, err := read(mdSysfs + "mismatch_cnt")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(count)
}
