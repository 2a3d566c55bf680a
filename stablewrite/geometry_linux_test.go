package stablewrite

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
)

func TestBtrfsIsDirectOnlyWithoutSumsAndRedundancy(t *testing.T) {
	for _, c := range []struct {
		major, minor    int
		sums, redundant answer
		want            Directness
		why             string // a part
	}{
		{6, 1, yes, no, DirectUnknown, "some stable kernels before 6.15"},
		{6, 1, no, yes, DirectYes, "what"},
		{6, 1, no, perhaps, DirectYes, "what"},
		{6, 12, no, no, DirectYes, "what"},
		{6, 12, no, yes, DirectUnknown, "some stable kernels from 6.12 on"},
		{6, 12, no, perhaps, DirectUnknown, "perhaps with mirrored"},
		{6, 15, yes, no, DirectNo, "968f19c5b1b7"},
		{6, 18, no, yes, DirectUnknown, "some stable kernels from 6.12 on"},
		{6, 18, perhaps, yes, DirectUnknown, "what"},
		{7, 0, yes, yes, DirectNo, "through the page cache"},
		{7, 0, no, yes, DirectNo, "7c2830f00c3e"},
		{7, 0, perhaps, yes, DirectNo, "7c2830f00c3e"},
		{7, 0, no, no, DirectYes, "what"},
		{7, 3, yes, no, DirectBounced, "e9b7b9d9e78e"},
		{7, 3, no, yes, DirectBounced, "e9b7b9d9e78e"},
		{7, 3, no, no, DirectYes, "what"},
		{7, 3, perhaps, no, DirectUnknown, "what"},
	} {
		kernel := func(major, minor int) bool { return c.major > major || c.major == major && c.minor >= minor }
		got, why := btrfsWrites(kernel, c.sums, c.redundant, "what")
		if got != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%+v: %v, %q", c, got, why)
		}
	}
}

// The kernel tells by the profiles of block groups whether data are mirrored or have
// parity.
func TestBtrfsTellsWhetherDataAreRedundant(t *testing.T) {
	const bytes = 256 << 20
	for _, c := range []struct {
		profile string
		devices int
		want    answer
	}{
		{"single", 1, no}, {"dup", 1, yes}, {"raid0", 2, no}, {"raid1", 2, yes}, {"raid5", 3, yes}, {"raid10", 4, yes},
	} {
		t.Run(c.profile, func(t *testing.T) {
			t.Parallel()
			mkfs := []string{"mkfs.btrfs", "-q", "-d", c.profile}
			for range c.devices - 1 {
				mkfs = append(mkfs, testenv.LoopDevice(t, bytes))
			}
			fd := openDirectory(t, testenv.NewVolume(t, bytes, "", mkfs...).Dir)
			if got := btrfsRedundant(fd); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
	if got := btrfsRedundant(openDirectory(t, testenv.DirectDir(t))); got != perhaps {
		t.Errorf("%d on a file system that is not btrfs", got)
	}
}

func openDirectory(t *testing.T, dir string) int {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

// A file gets its data checksums when it is created: chattr(1) on a directory, and mount
// options, are for files that come later.
func TestBtrfsFilesWithoutSums(t *testing.T) {
	testenv.Tool(t, "chattr")
	v := testenv.NewVolume(t, 128<<20, "", "mkfs.btrfs", "-q")
	create := func(name, text string) string {
		name = filepath.Join(v.Dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	summed, plain := create("summed", "text"), create("plain", "")
	if out, err := exec.Command("chattr", "+C", plain).CombinedOutput(); err != nil {
		t.Fatalf("chattr: %v: %s", err, out)
	}
	tell := func(name, want string) {
		t.Helper()
		f, err := OpenFile(name, os.O_RDWR, 0, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got := f.Geometry().Why; !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	tell(summed, "btrfs with data checksums")
	tell(plain, "(nodatacow)")
	if err := unix.Mount("", v.Dir, "", unix.MS_REMOUNT, "nodatasum"); err != nil {
		t.Fatal(err)
	}
	tell(summed, "which this file may have from before")
	tell(create("later", ""), "btrfs mounted without data checksums")
}
