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

// DirectDir returns an empty directory whose files are written directly. It is removed
// when the test ends.
func DirectDir(tb testing.TB) string {
	tb.Helper()
	for _, parent := range []string{os.Getenv("STABLEPAGES_TEST_DIR"), os.TempDir(), "/var/tmp", "."} {
		if !direct(parent) {
			continue
		}
		if dir, err := os.MkdirTemp(parent, "stablepages-test-"); err == nil {
			tb.Cleanup(func() { os.RemoveAll(dir) })
			return dir
		}
	}
	Missing(tb, "a directory on ext4 or xfs: name one in STABLEPAGES_TEST_DIR")
	return ""
}

// direct reports whether dir is on a file system that is known to write directly.
func direct(dir string) bool {
	var fs unix.Statfs_t
	err := unix.Statfs(dir, &fs)
	return err == nil && (fs.Type == unix.EXT4_SUPER_MAGIC || fs.Type == unix.XFS_SUPER_MAGIC)
}

// Tool ends the test unless root runs it and the named commands are installed.
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

// EBPF ends the test unless it may load eBPF programs and the kernel has BTF.
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

// run runs a command and returns its output.
func run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// LoopDevice makes a loop device on a new file. Options are options of losetup(8).
func LoopDevice(tb testing.TB, bytes int64, options ...string) string {
	tb.Helper()
	Tool(tb, "losetup")
	return loopDevice(tb, DirectDir(tb), bytes, options...)
}

// loopDevice makes a loop device on a new file in dir.
func loopDevice(tb testing.TB, dir string, bytes int64, options ...string) string {
	tb.Helper()
	f, err := os.CreateTemp(dir, "image-*") // another name each time: see MortalDevice
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

// awaitDetached waits until dev has closed image. A detached loop device stays until its
// last user has gone, which for btrfs is some time after umount(8) returned. Until then
// the file system that holds the image is busy.
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

// Mount is NewVolume, and returns directory and device.
func Mount(tb testing.TB, bytes int64, mkfs ...string) (dir, dev string) {
	tb.Helper()
	v := NewVolume(tb, bytes, "", mkfs...)
	return v.Dir, v.Dev
}

// Kernels ends a test that boots kernels unless STABLEPAGES_KERNELS is set: such tests
// take minutes, and download kernels.
func Kernels(tb testing.TB) {
	tb.Helper()
	if os.Getenv("STABLEPAGES_KERNELS") == "" {
		tb.Skip("boots kernels: make kernels, or STABLEPAGES_KERNELS=1")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		Missing(tb, "the command qemu-system-x86_64")
	}
}
