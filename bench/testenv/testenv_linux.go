package testenv

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// DirectDir returns an empty directory whose files are written directly; it is
// removed when the test ends.
func DirectDir(tb testing.TB) string {
	tb.Helper()
	for _, parent := range []string{os.Getenv("STABLEPAGES_TEST_DIR"), os.TempDir(), "/var/tmp", "."} {
		dir, err := os.MkdirTemp(parent, "stablepages-test-")
		if err != nil {
			continue
		}
		if direct(dir) {
			tb.Cleanup(func() { os.RemoveAll(dir) })
			return dir
		}
		os.RemoveAll(dir)
	}
	Missing(tb, "a directory on ext4 or xfs: name one in STABLEPAGES_TEST_DIR")
	return ""
}

// direct reports whether dir is on a file system that is known to write
// directly.
func direct(dir string) bool {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return false
	}
	return int64(fs.Type) == unix.EXT4_SUPER_MAGIC || int64(fs.Type) == unix.XFS_SUPER_MAGIC
}

// Tool ends the test unless root and every command named are to be had.
func Tool(tb testing.TB, names ...string) {
	tb.Helper()
	if os.Geteuid() != 0 {
		Missing(tb, "root, for %s", strings.Join(names, " and "))
	}
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			Missing(tb, "the command %s", name)
		}
	}
}

// EBPF ends the test unless it may load programs into the kernel and knows its
// types.
func EBPF(tb testing.TB) {
	tb.Helper()
	Tool(tb)
	if runtime.GOARCH != "amd64" {
		Missing(tb, "amd64, for eBPF")
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		Missing(tb, "a kernel with BTF: %v", err)
	}
}

// run runs a command and returns what it printed.
func run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// LoopDevice returns a loop device of the given size on a new file, made with
// further options of losetup(8).
func LoopDevice(tb testing.TB, bytes int64, options ...string) string {
	tb.Helper()
	Tool(tb, "losetup")
	return loopDevice(tb, DirectDir(tb), bytes, options...)
}

// loopDevice makes it on a new file in dir.
func loopDevice(tb testing.TB, dir string, bytes int64, options ...string) string {
	tb.Helper()
	f, err := os.CreateTemp(dir, "image-*") // no two of a name: see MortalDevice
	if err != nil {
		tb.Fatal(err)
	}
	image := f.Name()
	if err := errors.Join(f.Truncate(bytes), f.Close()); err != nil {
		tb.Fatal(err)
	}
	dev := run(tb, "losetup", append(options, "--find", "--show", "--direct-io=on", image)...)
	tb.Cleanup(func() {
		run(tb, "losetup", "--detach", dev)
		awaitDetached(tb, dev, image)
	})
	return dev
}

// awaitDetached waits until dev has let go of image. A detached loop device stays
// until its last user has gone, and btrfs goes some time after umount(8) returned;
// until then the file system that holds the image is busy.
func awaitDetached(tb testing.TB, dev, image string) {
	tb.Helper()
	name := filepath.Join("/sys/block", filepath.Base(dev), "loop/backing_file")
	for range 6000 {
		if backing, err := os.ReadFile(name); err != nil || !strings.Contains(string(backing), filepath.Base(image)) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Errorf("%s still uses %s a minute after it was detached", dev, image)
}

// Mount makes a file system on a new loop device with mkfs (a command and its
// arguments), mounts it and returns directory and device.
func Mount(tb testing.TB, bytes int64, mkfs ...string) (dir, dev string) {
	tb.Helper()
	v := NewVolume(tb, bytes, "", mkfs...)
	return v.Dir, v.Dev
}

// Kernels ends a test that boots kernels unless they were asked for, by
// STABLEPAGES_KERNELS=1: it takes minutes, and downloads them.
func Kernels(tb testing.TB) {
	tb.Helper()
	if os.Getenv("STABLEPAGES_KERNELS") == "" {
		tb.Skip("boots kernels: make kernels, or STABLEPAGES_KERNELS=1")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		Missing(tb, "the command qemu-system-x86_64")
	}
}
