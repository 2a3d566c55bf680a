package testenv

import (
	"cmp"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Volume is a file system on a loop device.
type Volume struct {
	Dir, Dev string
	mounted  bool
}

// NewVolume makes a loop device and a file system on it, and mounts the file system.
// mkfs is a command and its arguments; options are those of mount(8), "" for none.
func NewVolume(tb testing.TB, bytes int64, options string, mkfs ...string) *Volume {
	tb.Helper()
	return NewVolumeOn(tb, LoopDevice(tb, bytes), options, mkfs...)
}

// NewVolumeOn is NewVolume on an existing device.
func NewVolumeOn(tb testing.TB, dev, options string, mkfs ...string) *Volume {
	tb.Helper()
	Tool(tb, "mount", mkfs[0])
	run(tb, mkfs[0], append(mkfs[1:len(mkfs):len(mkfs)], dev)...)
	v := &Volume{Dir: tb.TempDir(), Dev: dev}
	v.Mount(tb, options)
	tb.Cleanup(func() {
		if v.mounted {
			v.Unmount(tb)
		}
	})
	return v
}

// Mount mounts v, with options of mount(8) or "".
func (v *Volume) Mount(tb testing.TB, options string) {
	tb.Helper()
	run(tb, "mount", "-o", cmp.Or(options, "defaults"), v.Dev, v.Dir)
	v.mounted = true
}

// Unmount unmounts v, which drops its pages from the page cache. It waits while v is busy:
// a child of a parallel test has a file that was just closed open until its exec.
func (v *Volume) Unmount(tb testing.TB) {
	tb.Helper()
	var err error
	for range 6000 {
		if err = unix.Unmount(v.Dir, 0); err != unix.EBUSY {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		tb.Fatalf("umount %s: %v", v.Dir, err)
	}
	v.mounted = false
}

// ShutDown shuts ext4 or xfs down, as an error in its metadata does: every operation
// fails until it is mounted again.
func (v *Volume) ShutDown(tb testing.TB) {
	tb.Helper()
	fd := openDir(tb, v.Dir)
	defer unix.Close(fd)
	shutDown(tb, fd)
}

// shutdownIoctl is EXT4_IOC_SHUTDOWN of fs/ext4/ext4.h and XFS_IOC_GOINGDOWN of
// fs/xfs/libxfs/xfs_fs.h; flags 0 writes the log out first.
const shutdownIoctl = 0x8004587d

func shutDown(tb testing.TB, fd int) {
	tb.Helper()
	if err := unix.IoctlSetPointerInt(fd, shutdownIoctl, 0); err != nil {
		tb.Fatalf("shut a file system down: %v", err)
	}
}

func openDir(tb testing.TB, dir string) int {
	tb.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	return fd
}

// MortalDevice returns a device on which every operation fails after vanish was called.
// It is a loop device on a file of a file system that vanish shuts down. That file
// system has no path: mkfs.btrfs looks at the images of all mounted loop devices, fails
// if it cannot, and takes two images with the same path for the same image.
func MortalDevice(tb testing.TB, bytes int64) (dev string, vanish func()) {
	tb.Helper()
	below := NewVolume(tb, 2*bytes, "", "mkfs.xfs", "-q")
	dev = loopDevice(tb, below.Dir, bytes)
	fd := openDir(tb, below.Dir)
	tb.Cleanup(func() { unix.Close(fd) })
	run(tb, "umount", "--lazy", below.Dir)
	below.mounted = false
	return dev, func() { shutDown(tb, fd) }
}
