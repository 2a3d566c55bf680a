package victim

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The controls: file systems that keep no checksums of data.
var (
	ext4 = Victim{
		Name: "ext4", About: "control: keeps no checksums of data",
		Disks: []int64{64 << 20}, Mkfs: []string{"mkfs.ext4", "-q", "-F"}, Package: "e2fsprogs",
		setUp: func(s *Stage) error { return s.mount("ext4", "") },
	}
	xfs = Victim{
		Name: "xfs", About: "control: keeps no checksums of data",
		Modules: []string{"xfs"}, Disks: []int64{320 << 20}, // mkfs.xfs makes none below 300 MiB
		Mkfs: []string{"mkfs.xfs", "-q", "-f"}, Package: "xfsprogs",
		setUp: func(s *Stage) error { return s.mount("xfs", "") },
	}
)

const (
	mountPoint = "/mnt"
	testFile   = mountPoint + "/testfile"
)

// mount mounts the first disk and makes a file there the target.
func (s *Stage) mount(fs, options string) error {
	if err := awaitDevice(s.disks[0]); err != nil {
		return err
	}
	if err := unix.Mount(s.disks[0], mountPoint, fs, 0, options); err != nil {
		return fmt.Errorf("mount %s: %w", s.disks[0], err)
	}
	return s.open(testFile)
}

// open makes the file or device of that name the target.
func (s *Stage) open(name string) (err error) {
	s.Target, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	return err
}

// MountCrashed mounts a disk read-only, as a crash left it, and writes nothing to
// it. The caller unmounts it.
func (v Victim) MountCrashed(disk string) (file string, unmount func() error, err error) {
	if err := unix.Mount(disk, mountPoint, v.fileSystem, unix.MS_RDONLY, v.Crashed); err != nil {
		return "", nil, fmt.Errorf("mount %s: %w", disk, err)
	}
	return testFile, func() error { return unix.Unmount(mountPoint, 0) }, nil
}

// Unmount ends the use of a file system that SetUp mounted.
func (s *Stage) Unmount() error {
	return errors.Join(s.Target.Close(), unix.Unmount(mountPoint, 0))
}

// since makes of a count that only grows what was added since the last call.
func since(count func() (int, error)) func() (int, error) {
	last := 0
	return func() (int, error) {
		n, err := count()
		if err != nil {
			return 0, err
		}
		added := n - last
		last = n
		return added, nil
	}
}

// awaitDevice waits for a device node: drivers make theirs when they have found
// the disk.
func awaitDevice(name string) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		st, err := os.Stat(name)
		if err == nil && st.Mode()&os.ModeDevice != 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s did not appear", name)
		}
	}
}
