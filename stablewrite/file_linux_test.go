package stablewrite_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

const kib4 = crcguard.BlockSize

func fill(p []byte, v byte) []byte {
	for i := range p {
		p[i] = v
	}
	return p
}

// media reads name through another descriptor than any writer's.
func media(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryStrategyOnARealFile(t *testing.T) {
	dir := testenv.DirectDir(t)
	for _, s := range stablewrite.Strategies() {
		name := filepath.Join(dir, s.String())
		f, err := stablewrite.Create(name, stablewrite.Options{Strategy: s, RequireDirect: s.Direct()})
		if err != nil {
			t.Fatal(err)
		}
		p := fill(stablewrite.AlignedBuffer(3<<20), 0x5a)
		w := &stablewrite.Write{Buf: p, Off: kib4, Sums: make([]uint32, crcguard.Blocks(len(p)))}
		if err := f.Do(w); err != nil {
			t.Fatalf("%v: %v", s, err)
		}
		if err := f.Sync(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
		got := media(t, name)
		if !bytes.Equal(got[kib4:], p) || !bytes.Equal(got[:kib4], make([]byte, kib4)) {
			t.Errorf("%v: wrong bytes in the file", s)
		}
		if s.Sums() && w.Receipt.Sum != crcguard.Checksum(p) {
			t.Errorf("%v: receipt %+v", s, w.Receipt)
		}
		back := make([]byte, 5000)
		if n, err := f.ReadAt(back, 4000); err != nil || n != 5000 || !bytes.Equal(back, got[4000:9000]) {
			t.Errorf("%v: ReadAt: %d, %v", s, n, err)
		}
		geo := f.Geometry()
		if s.Direct() && (geo.Direct != stablewrite.DirectYes || geo.OffsetAlign < 512) || !s.Direct() && geo.Direct != stablewrite.DirectNo {
			t.Errorf("%v: %+v", s, geo)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
}

func TestCreateTruncatesAndOpenDoesNot(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	if _, err := stablewrite.Open(name, stablewrite.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open of nothing: %v", err)
	}
	if err := os.WriteFile(name, make([]byte, 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		open func(string, stablewrite.Options) (*stablewrite.File, error)
		size int
	}{{stablewrite.Open, 10_000}, {stablewrite.Create, 0}} {
		f, err := tc.open(name, stablewrite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if got := len(media(t, name)); got != tc.size {
			t.Errorf("%d bytes, want %d", got, tc.size)
		}
	}
	if _, err := stablewrite.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600, stablewrite.Options{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("O_EXCL: %v", err)
	}
}

// ramfs refuses O_DIRECT after the file was created; tmpfs accepts and ignores it.
// Neither leaves a new file, nor empties an old one.
func TestRefusedOpenChangesNothing(t *testing.T) {
	testenv.Tool(t, "mount")
	for _, fs := range []string{"ramfs", "tmpfs"} {
		dir := t.TempDir()
		if err := unix.Mount(fs, dir, fs, 0, ""); err != nil {
			testenv.Missing(t, "leave to mount %s: %v", fs, err)
		}
		t.Cleanup(func() { unix.Unmount(dir, 0) })
		o := stablewrite.Options{RequireDirect: true}
		if _, err := stablewrite.Create(filepath.Join(dir, "new"), o); !errors.Is(err, stablewrite.ErrNotDirect) || !strings.Contains(err.Error(), fs) {
			t.Errorf("%s: %v", fs, err)
		}
		old := filepath.Join(dir, "old")
		os.WriteFile(old, []byte("precious"), 0o600)
		if _, err := stablewrite.Create(old, o); !errors.Is(err, stablewrite.ErrNotDirect) {
			t.Errorf("%s: %v", fs, err)
		}
		if got := media(t, old); string(got) != "precious" {
			t.Errorf("%s: an old file now holds %q", fs, got)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s: left behind: %v", fs, entries)
		}
	}
}

func TestOpenRefusals(t *testing.T) {
	dir := testenv.DirectDir(t)
	name := filepath.Join(dir, "f")
	os.WriteFile(name, nil, 0o600)
	if _, err := stablewrite.OpenFile(name, os.O_RDWR|os.O_APPEND, 0, stablewrite.Options{}); err == nil || !strings.Contains(err.Error(), "O_APPEND") {
		t.Errorf("O_APPEND: %v", err)
	}
	if _, err := stablewrite.Open(dir, stablewrite.Options{}); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := stablewrite.OpenFile(dir, os.O_RDONLY, 0, stablewrite.Options{}); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a directory to read: %v", err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stablewrite.Open(fifo, stablewrite.Options{}); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a fifo: %v", err)
	}
	if _, err := stablewrite.Create(filepath.Join(dir, "no", "f"), stablewrite.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no parent: %v", err)
	}
	appending, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer appending.Close()
	if _, err := stablewrite.New(appending, stablewrite.Options{}); err == nil || !strings.Contains(err.Error(), "O_APPEND") {
		t.Errorf("New on an appending file: %v", err)
	}
}

// What cannot be adopted is not created, wherever a dangling link leads.
func TestCreateThroughADanglingLink(t *testing.T) {
	shm, err := os.MkdirTemp("/dev/shm", "stablepages-test-")
	if err != nil {
		testenv.Missing(t, "a tmpfs at /dev/shm: %v", err)
	}
	defer os.RemoveAll(shm)
	dir := testenv.DirectDir(t)
	for _, tc := range []struct {
		link, target string
		direct       bool
	}{{dir, shm, false}, {shm, dir, true}} {
		link, target := filepath.Join(tc.link, "link"), filepath.Join(tc.target, "target")
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		f, err := stablewrite.Create(link, stablewrite.Options{RequireDirect: true})
		if (err == nil) != tc.direct {
			t.Errorf("%s -> %s: %v", link, target, err)
		}
		if err == nil {
			f.Close()
		}
		if _, err := os.Stat(target); (err == nil) != tc.direct {
			t.Errorf("%s -> %s: the target: %v", link, target, err)
		}
	}
}

// Flags that an engine relies on for durability are kept.
func TestNewKeepsSyncFlags(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	for _, flag := range []int{0, unix.O_DSYNC, unix.O_SYNC} {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		g, err := stablewrite.New(f, stablewrite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := syncFlags(t, name, unix.O_DIRECT); !slices.Contains(got, flag) {
			t.Errorf("flags %#x became one of %#x", flag, got)
		}
		g.Close()
	}
}

// syncFlags finds the descriptors of name that have all of the flags with, and
// returns their O_SYNC and O_DSYNC.
func syncFlags(t *testing.T, name string, with int) (found []int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fds {
		if is, err := os.Readlink("/proc/self/fd/" + e.Name()); err != nil || is != name {
			continue
		}
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err == nil && flags&with == with {
			found = append(found, flags&unix.O_SYNC)
		}
	}
	return found
}

// While one Create fails, another on the same name succeeds: its file stays.
func TestAFailedCreateRemovesNobodysFile(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "stablepages-test-")
	if err != nil {
		testenv.Missing(t, "a tmpfs at /dev/shm: %v", err)
	}
	defer os.RemoveAll(dir)
	bad := stablewrite.Options{RequireDirect: true} // tmpfs is known not to be direct
	for i := range 200 {
		name := filepath.Join(dir, strconv.Itoa(i))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := stablewrite.Create(name, bad); !errors.Is(err, stablewrite.ErrNotDirect) {
				t.Errorf("on tmpfs: %v", err)
			}
		})
		f, err := stablewrite.Create(name, stablewrite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		f.Close()
		if _, err := os.Stat(name); err != nil {
			t.Fatal(err)
		}
	}
}

// A device with sectors larger than a block.
func TestLargeSectors(t *testing.T) {
	t.Parallel()
	dev := testenv.LoopDevice(t, 64<<20, "--sector-size", "16384")
	f, err := stablewrite.OpenFile(dev, os.O_RDWR|os.O_EXCL, 0, stablewrite.Options{})
	if err != nil {
		testenv.Missing(t, "loop devices with sectors of 16 KiB (Linux 6.11): %v", err)
	}
	defer f.Close()
	if geo := f.Geometry(); geo.OffsetAlign != 16384 {
		testenv.Missing(t, "loop devices with sectors of 16 KiB (Linux 6.11): %+v", geo)
	}
	p := shared(t, 128<<10)
	change(t, func(version uint64) { binary.LittleEndian.PutUint64(p[40_000:], version) }) // always in one block
	w := &stablewrite.Write{Buf: p, Off: 1 << 20, Sums: make([]uint32, 32)}
	healed := 0
	for range 200 {
		if err := f.Do(w); err != nil {
			t.Fatal(err)
		}
		if w.Receipt.Resubmitted > 0 {
			healed++
		}
		got, sums := make([]byte, len(p)), make([]uint32, 32)
		if _, err := f.ReadAt(got, w.Off); err != nil {
			t.Fatal(err)
		}
		if crcguard.ChecksumBlocks(got, sums); !slices.Equal(sums, w.Sums) {
			t.Fatal("torn")
		}
	}
	if healed == 0 {
		t.Error("nothing was resubmitted: the test showed nothing")
	}
}

// New leaves the caller's descriptor alone, and works on a file without a name.
func TestNewAdoptsAnOpenFile(t *testing.T) {
	f, err := os.CreateTemp(testenv.DirectDir(t), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("user's"); err != nil {
		t.Fatal(err)
	}
	g, err := stablewrite.New(f, stablewrite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := fill(stablewrite.AlignedBuffer(kib4), 7)
	if _, err := g.WriteAt(p, kib4); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_DIRECT != 0 {
		t.Errorf("flags %#x, %v: the caller's descriptor was changed", flags, err)
	}
	if _, err := f.WriteString(" own"); err != nil {
		t.Error(err)
	}
	back := make([]byte, 2*kib4)
	if n, err := f.ReadAt(back, 0); n != 2*kib4 || err != nil || string(back[:10]) != "user's own" || !bytes.Equal(back[kib4:], p) {
		t.Errorf("%d, %v, %q", n, err, back[:10])
	}
}

// shared returns memory that the race detector does not know: what changes it
// stands for another process.
func shared(t *testing.T, n int) []byte {
	t.Helper()
	p, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(p) })
	return p
}

// change calls f over and over until the test ends, with a version that never
// comes again: a value that did would be an A-B-A change. It must be called after
// shared, whose memory is gone when the test ends.
func change(t *testing.T, f func(version uint64)) {
	stop := make(chan struct{})
	var mutator sync.WaitGroup
	mutator.Go(func() {
		for v := uint64(1); ; v++ {
			select {
			case <-stop:
				return
			default:
				f(v)
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		mutator.Wait()
	})
}

// Two Files, two names of one inode, one buffer that changes all the time: the
// media are one receipt or the other, block for block, never some of each.
func TestTwoFilesOnOneInodeAreOrdered(t *testing.T) {
	dir := testenv.DirectDir(t)
	name, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	a, err := stablewrite.Create(name, stablewrite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := os.Link(name, link); err != nil {
		t.Fatal(err)
	}
	b, err := stablewrite.Open(link, stablewrite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	const blocks = 16
	p, q := shared(t, blocks*kib4), fill(stablewrite.AlignedBuffer(blocks*kib4), 0xbb)
	change(t, func(version uint64) {
		for i := 0; i < blocks; i += 2 { // every other block
			binary.LittleEndian.PutUint64(p[i*kib4:], version)
		}
	})
	wa := &stablewrite.Write{Buf: p, Sums: make([]uint32, blocks)}
	wb := &stablewrite.Write{Buf: q, Sums: make([]uint32, blocks)}
	resubmitted := 0
	for range 500 {
		var wg sync.WaitGroup
		for f, w := range map[*stablewrite.File]*stablewrite.Write{a: wa, b: wb} {
			wg.Go(func() {
				if err := f.Do(w); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if wa.Receipt.Resubmitted > 0 {
			resubmitted++
		}
		sums := make([]uint32, blocks)
		crcguard.ChecksumBlocks(media(t, name), sums)
		if !slices.Equal(sums, wa.Sums) && !slices.Equal(sums, wb.Sums) {
			t.Fatal("the media are neither write")
		}
	}
	if resubmitted == 0 {
		t.Error("nothing was resubmitted: the test showed nothing")
	}
}

func TestBlockDevice(t *testing.T) {
	dev := testenv.LoopDevice(t, 8<<20)
	f, err := stablewrite.OpenFile(dev, os.O_RDWR|os.O_EXCL, 0, stablewrite.Options{RequireDirect: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := fill(stablewrite.AlignedBuffer(1<<20), 9)
	if n, err := f.WriteAt(p, 7<<20); err != nil || n != len(p) {
		t.Errorf("%d, %v", n, err)
	}
	n, err := f.WriteAt(p, 15<<19) // half of it fits
	var we *stablewrite.WriteError
	if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &we) || n != 1<<19 || we.Good != n {
		t.Errorf("beyond the end: %d, %v", n, err)
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
}

func TestFullFileSystem(t *testing.T) {
	dir, _ := testenv.Mount(t, 16<<20, "mkfs.ext4", "-q")
	f, err := stablewrite.Create(filepath.Join(dir, "f"), stablewrite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := fill(stablewrite.AlignedBuffer(1<<20), 3)
	off := int64(0)
	for range 32 {
		n, err := f.WriteAt(p, off)
		off += int64(n)
		if err == nil {
			continue
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		back := make([]byte, off)
		if n, err := f.ReadAt(back, 0); n != len(back) || err != nil || !bytes.Equal(back, fill(make([]byte, off), 3)) {
			t.Errorf("what was acknowledged before the disk was full does not read back: %d, %v", n, err)
		}
		return
	}
	t.Error("32 MiB fit in a file system of 16 MiB")
}

func TestReadOnlyDescriptor(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	os.WriteFile(name, make([]byte, kib4), 0o600)
	f, err := stablewrite.OpenFile(name, os.O_RDONLY, 0, stablewrite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(stablewrite.AlignedBuffer(kib4), 0); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), name) {
		t.Errorf("%v", err)
	}
}

// On file systems that do not report the alignment by statx, the library requires no less
// than theirs.
func TestGeometryOnRealFileSystems(t *testing.T) {
	for _, tc := range []struct {
		mkfs   []string
		source string
		align  int
	}{
		{[]string{"mkfs.xfs", "-q"}, "statx", 512},
		{[]string{"mkfs.btrfs", "-q"}, "read probe", 4096},
		{[]string{"mkfs.ext4", "-q", "-O", "^extents,^64bit"}, "statx", 512},
	} {
		t.Run(strings.Join(tc.mkfs, " "), func(t *testing.T) {
			dir, _ := testenv.Mount(t, 512<<20, tc.mkfs...)
			f, err := stablewrite.Create(filepath.Join(dir, "f"), stablewrite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			geo := f.Geometry()
			t.Logf("%+v", geo)
			if geo.Source != tc.source && geo.Source != "sector size" || geo.OffsetAlign != tc.align {
				t.Errorf("want %s, %d", tc.source, tc.align)
			}
			if _, err := f.WriteAt(fill(stablewrite.AlignedBuffer(1<<20), 1), 0); err != nil {
				t.Error(err)
			}
		})
	}
}
