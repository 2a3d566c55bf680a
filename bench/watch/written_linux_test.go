//go:build amd64

package watch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

func TestHowWritten(t *testing.T) {
	t.Parallel()
	testenv.EBPF(t)
	file := func(dir string, flags int) func(*testing.T) func([]byte) error {
		return func(t *testing.T) func([]byte) error {
			return func(p []byte) error { return writeSynced(filepath.Join(dir, "f"), flags, p) }
		}
	}
	mounted := func(options string, mkfs ...string) string {
		return testenv.NewVolume(t, 512<<20, options, mkfs...).Dir
	}
	for name, c := range map[string]struct {
		write func(*testing.T) func([]byte) error
		want  stablewrite.Directness
	}{
		"direct, ext4":               {file(testenv.DirectDir(t), unix.O_DIRECT), stablewrite.DirectYes},
		"buffered, ext4":             {file(testenv.DirectDir(t), 0), stablewrite.DirectNo},
		"direct, ext4, data=journal": {file(mounted("data=journal", "mkfs.ext4", "-q"), unix.O_DIRECT), stablewrite.DirectNo},
		"direct, xfs":                {file(mounted("", "mkfs.xfs", "-q"), unix.O_DIRECT), stablewrite.DirectYes},
		"direct, btrfs, nodatasum":   {file(mounted("nodatasum", "mkfs.btrfs", "-q"), unix.O_DIRECT), stablewrite.DirectYes},
		"direct, tmpfs":              {file(tmpfs(t), unix.O_DIRECT), stablewrite.DirectUnknown},
		"direct, a loop device":      {onDevice, stablewrite.DirectYes},
		"a copy in a pipe":           {throughPipe, stablewrite.DirectBounced},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := HowWritten(c.write(t))
			if got != c.want || err != nil {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
		})
	}
}

// Kernels differ in how they make a direct write on btrfs. HowWritten returns one of three
// answers, never unknown, and the library assumes no other, with data checksums or
// without, mirrored or not.
func TestHowWrittenOnBtrfs(t *testing.T) {
	t.Parallel()
	testenv.EBPF(t)
	testenv.Tool(t, "chattr")
	for _, profile := range []string{"single", "raid0", "dup", "raid1"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			const bytes = 256 << 20
			mkfs := []string{"mkfs.btrfs", "-q", "-d", profile}
			if strings.HasPrefix(profile, "raid") {
				mkfs = append(mkfs, testenv.LoopDevice(t, bytes))
			}
			dir := testenv.NewVolume(t, bytes, "", mkfs...).Dir
			for _, sums := range []bool{true, false} {
				if !sums { // of files that are created from now on
					if out, err := exec.Command("chattr", "+C", dir).CombinedOutput(); err != nil {
						t.Fatalf("chattr: %v: %s", err, out)
					}
				}
				f, err := stablewrite.Create(filepath.Join(dir, fmt.Sprint(sums)), stablewrite.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				got, err := HowWritten(func(p []byte) error { return writeSynced(f.Name(), unix.O_DIRECT, p) })
				assumed := f.Geometry()
				if err != nil || got == stablewrite.DirectUnknown || assumed.Direct != stablewrite.DirectUnknown && assumed.Direct != got {
					t.Errorf("checksums %t: %s, %v; the library says %s: %s", sums, got, err, assumed.Direct, assumed.Why)
				}
				t.Logf("checksums %t: written %s here; the library says %s: %s", sums, got, assumed.Direct, assumed.Why)
			}
		})
	}
}

func TestHowWrittenReturnsTheErrorOfTheWrite(t *testing.T) {
	t.Parallel()
	testenv.EBPF(t)
	want := errors.New("of the write")
	if got, err := HowWritten(func([]byte) error { return want }); got != stablewrite.DirectUnknown || !errors.Is(err, want) {
		t.Errorf("%s, %v", got, err)
	}
}

func writeSynced(name string, flags int, p []byte) error {
	fd, err := unix.Open(name, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC|flags, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Pwrite(fd, p, 0); err != nil {
		return err
	}
	return unix.Fsync(fd)
}

func tmpfs(t *testing.T) string {
	testenv.Tool(t, "mount")
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	return dir
}

func onDevice(t *testing.T) func([]byte) error {
	dev := testenv.LoopDevice(t, 16<<20)
	return func(p []byte) error { return writeSynced(dev, unix.O_DIRECT, p) }
}

// throughPipe copies into pages of the kernel, which are then written directly.
func throughPipe(t *testing.T) func([]byte) error {
	name := filepath.Join(testenv.DirectDir(t), "f")
	return func(p []byte) error {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		defer w.Close()
		fd, err := unix.Open(name, unix.O_CREAT|unix.O_WRONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if _, err := w.Write(p); err != nil {
			return err
		}
		for left := len(p); left > 0; {
			n, err := unix.Splice(int(r.Fd()), nil, fd, nil, left, 0)
			if err != nil {
				return err
			}
			left -= int(n)
		}
		return unix.Fsync(fd)
	}
}
