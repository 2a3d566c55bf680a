package victim

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The controls: file systems that keep no checksums of data. Their blocks and
// sectors are those of the devices that they are stacked on, of which dm-integrity
// has 4 KiB.
var (
	ext4 = onDisk(Victim{
		Name: "ext4", About: "control: keeps no checksums of data",
		Disks: []int64{64 << 20}, Mkfs: []string{"mkfs.ext4", "-q", "-F", "-b", "4096"}, Package: "e2fsprogs",
		mount: func(s *Stage, device string) error { return s.mountInPlace(device, "ext4") },
	})
	xfs = onDisk(Victim{
		Name: "xfs", About: "control: keeps no checksums of data",
		Modules: []string{"xfs"}, Disks: []int64{320 << 20}, // mkfs.xfs makes none below 300 MiB
		Mkfs: []string{"mkfs.xfs", "-q", "-f", "-s", "size=4096"}, Package: "xfsprogs",
		mount: func(s *Stage, device string) error { return s.mountInPlace(device, "xfs") },
	})
)

// onDisk sets a file system up on the disk that it was made on.
func onDisk(v Victim) Victim {
	v.setUp = func(s *Stage) error {
		if err := awaitDevice(s.disks[0]); err != nil {
			return err
		}
		return v.mount(s, s.disks[0])
	}
	return v
}

const (
	mountPoint = "/mnt"
	testFile   = mountPoint + "/testfile"
)

// mountFile mounts a device and makes a file there the target.
func (s *Stage) mountFile(device, fs, options string) error {
	if err := unix.Mount(device, mountPoint, fs, 0, options); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	s.Directory = mountPoint
	return s.open(testFile)
}

// mountInPlace mounts a file system that overwrites data where they are, so that
// the legs of a mirror below it can be compared. What else it writes, and may change
// meanwhile, makes mismatch_cnt say nothing of the file.
func (s *Stage) mountInPlace(device, fs string) error {
	if err := s.mountFile(device, fs, ""); err != nil {
		return err
	}
	if s.Legs != nil {
		s.where = func(bytes int64) ([]extent, error) { return extentsOf(s.Target, bytes) }
		s.Mismatches = nil
	}
	return nil
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
	return await(name, func() (bool, error) {
		st, err := os.Stat(name)
		return err == nil && st.Mode()&os.ModeDevice != 0, nil
	})
}

// await waits until something is there, for twenty seconds.
func await(what string, there func() (bool, error)) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if is, err := there(); is || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited 20 s for %s, which is not there", what)
		}
	}
}
