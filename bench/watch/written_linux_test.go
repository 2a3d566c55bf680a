//go:build amd64

package watch

import (
	"errors"
	"os"
	"path/filepath"
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

// Kernels differ in how they handle a direct write on btrfs with checksums. HowWritten
// returns one of three answers, never unknown.
func TestHowWrittenOnBtrfsWithChecksums(t *testing.T) {
	t.Parallel()
	testenv.EBPF(t)
	dir := testenv.NewVolume(t, 128<<20, "", "mkfs.btrfs", "-q").Dir
	got, err := HowWritten(func(p []byte) error { return writeSynced(filepath.Join(dir, "f"), unix.O_DIRECT, p) })
	if got == stablewrite.DirectUnknown || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	t.Logf("written %s here", got)
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
