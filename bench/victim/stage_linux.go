package victim

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// SetUp makes the victim from its disks, in the state in which Mkfs or a power cut left
// them.
func (v Victim) SetUp(disks []string) (*Stage, error) {
	s := &Stage{}
	if err := v.setUp(s, disks); err != nil {
		return nil, fmt.Errorf("set up %s: %w", v.Name, err)
	}
	return s, nil
}

func (v Victim) setUp(s *Stage, disks []string) (err error) {
	for _, disk := range disks {
		if err := awaitDevice(disk); err != nil {
			return err
		}
	}
	device := ""
	if v.make == nil {
		device = disks[0]
	} else if device, err = v.make(s, disks); err != nil {
		return err
	}
	if v.fileSystem == "" {
		s.Target, err = os.OpenFile(device, os.O_RDWR, 0)
		return err
	}
	if err := unix.Mount(device, mountPoint, v.fileSystem, 0, v.options); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	s.Directory = mountPoint
	s.Target, err = os.OpenFile(testFile, os.O_RDWR|os.O_CREATE, 0o644)
	v.mounted(s)
	return err
}

const (
	mountPoint = "/mnt"
	testFile   = mountPoint + "/testfile"
)

// MountCrashed mounts a disk read-only, in the state in which a crash left it, and writes
// nothing to it. The caller unmounts it.
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

// since returns a function that returns how much count, a running total, grew since its
// last call.
func since(count func() (int, error)) func() (int, error) {
	last := 0
	return func() (added int, err error) {
		n, err := count()
		if err == nil {
			added, last = n-last, n
		}
		return added, err
	}
}

// awaitDevice waits for the node of a device, which its driver makes when it has found the
// device.
func awaitDevice(name string) error {
	return await(name, func() (bool, error) {
		st, err := os.Stat(name)
		return err == nil && st.Mode()&os.ModeDevice != 0, nil
	})
}

// await waits a minute for an event.
func await(what string, happened func() (bool, error)) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if ok, err := happened(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited a minute for %s in vain", what)
		}
	}
}
