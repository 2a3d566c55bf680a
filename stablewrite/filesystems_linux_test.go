package stablewrite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

// volumeBytes is enough for each file system: xfs needs 300 MiB at least.
const volumeBytes = 320 << 20

// fileSystems are the file systems to test on. Each test makes new ones.
var fileSystems = []struct {
	name, options string
	mkfs          []string
}{
	{"ext4", "", []string{"mkfs.ext4", "-q"}},
	{"ext4 without extents", "", []string{"mkfs.ext4", "-q", "-O", "^extents,^64bit"}},
	{"xfs", "", []string{"mkfs.xfs", "-q"}},
	{"btrfs", "", []string{"mkfs.btrfs", "-q"}},
	{"btrfs without data sums", "nodatasum", []string{"mkfs.btrfs", "-q"}},
}

func onEveryFileSystem(t *testing.T, test func(t *testing.T, v *testenv.Volume)) {
	for _, row := range fileSystems {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			test(t, testenv.NewVolume(t, volumeBytes, row.options, row.mkfs...))
		})
	}
}

// create makes a File, and closes it when the test ends.
func create(t *testing.T, name string, o Options) *File {
	t.Helper()
	f, err := Create(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// unitOf returns the smallest length of a direct write.
func unitOf(f *File) int { return max(f.Geometry().OffsetAlign, 512) }

// model is a File and the bytes that it must hold.
type model struct {
	f    *File
	rng  *rand.Rand
	want []byte
}

// write writes new bytes and compares the receipt with them.
func (m *model) write(t *testing.T, off int64, n int) {
	t.Helper()
	p := AlignedBuffer(n)
	m.fill(p)
	w := &Write{Buf: p, Off: off, Sums: make([]uint32, crcguard.BlocksAt(off, n))}
	if err := m.f.Do(w); err != nil {
		t.Fatal(err)
	}
	m.wrote(int(off), p)
	sums := make([]uint32, len(w.Sums))
	sum := crcguard.ChecksumBlocksAt(p, off, sums)
	if summed := m.f.opts.Strategy.Sums(); w.Receipt.N != n || w.Receipt.Summed != summed ||
		summed && (w.Receipt.Sum != sum || !slices.Equal(w.Sums, sums)) {
		t.Fatalf("%d bytes at %d: receipt %+v, the sum of the bytes is %#x", n, off, w.Receipt, sum)
	}
}

// stream writes a Stream between two random offsets.
func (m *model) stream(t *testing.T, off, n int) {
	t.Helper()
	p := make([]byte, n)
	m.fill(p)
	s, sum, at := m.f.StreamAt(int64(off)), uint32(0), off
	s.BlockSums = func(off int64, sums []uint32) {
		if off != int64(at) {
			t.Errorf("a Stream reported blocks from %d on, want %d", off, at)
		}
		for _, block := range sums {
			length := min(kib4-at%kib4, len(p)-(at-int(s.start)))
			sum = crcguard.Combine(sum, block, int64(length))
			at += length
		}
	}
	if _, err := s.ReadFrom(bytes.NewReader(p)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if want := crcguard.Checksum(p); s.Sum() != want || sum != want || at != off+n || s.Landed() != int64(n) {
		t.Fatalf("a Stream of %d bytes at %d: sum %#x, of its blocks %#x, want %#x; %d landed", n, off, s.Sum(), sum, want, s.Landed())
	}
	m.wrote(off, p)
}

// wrote enters written bytes into the model.
func (m *model) wrote(off int, p []byte) {
	if end := off + len(p); end > len(m.want) {
		m.want = append(m.want, make([]byte, end-len(m.want))...)
	}
	copy(m.want[off:], p)
}

// fill fills p with new bytes.
func (m *model) fill(p []byte) {
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, m.rng.Uint64())
	}
	for i := range p {
		p[i] = byte(m.rng.Uint32())
	}
}

// read reads any range, ends and beyond included.
func (m *model) read(t *testing.T) {
	t.Helper()
	size := len(m.want)
	off, p := m.rng.IntN(size+5000), make([]byte, 1+m.rng.IntN(100_000))
	if m.rng.IntN(4) == 0 { // aligned, so it needs no private memory
		off, p = off&^4095, AlignedBuffer((len(p)+4095)&^4095)
	}
	n, err := m.f.ReadAt(p, int64(off))
	want := m.want[min(off, size):min(off+len(p), size)]
	if n != len(want) || !bytes.Equal(p[:n], want) || err != nil && err != io.EOF || (err == io.EOF) != (n < len(p)) {
		t.Errorf("ReadAt of %d bytes at %d of %d: %d, %v, or wrong bytes", len(p), off, size, n, err)
	}
}

// check compares the media with the model.
func (m *model) check(t *testing.T) {
	t.Helper()
	if got := testenv.Media(t, m.f.Name()); !bytes.Equal(got, m.want) {
		t.Fatalf("the media differ from what was written: %d bytes, want %d", len(got), len(m.want))
	}
}

// Every size at every kind of offset: in a hole, over the end, over old bytes,
// within a block and across blocks and segments.
func TestReceiptsAreTrueOnEveryFileSystem(t *testing.T) {
	t.Parallel()
	onEveryFileSystem(t, func(t *testing.T, v *testenv.Volume) {
		var models []*model
		for _, s := range Strategies() {
			for _, segment := range []int{0, 4 * kib4} {
				f := create(t, filepath.Join(v.Dir, s.String()+"-"+string(rune('a'+len(models)))), Options{Strategy: s, SegmentBytes: segment})
				m := &model{f: f, rng: rand.New(rand.NewPCG(uint64(s), uint64(segment)))}
				m.exercise(t)
				models = append(models, m)
			}
		}
		for _, m := range models {
			if err := m.f.Close(); err != nil {
				t.Error(err)
			}
		}
		v.Unmount(t)
		v.Mount(t, "")
		for _, m := range models {
			m.check(t)
		}
	})
}

func (m *model) exercise(t *testing.T) {
	t.Helper()
	unit := unitOf(m.f)
	for _, n := range []int{kib4, unit, kib4 + unit, 3 * kib4, 64<<10 - unit, 256<<10 + unit} {
		end := len(m.want) &^ (unit - 1)
		for _, off := range []int{end, end + 8*kib4 + unit, 0, unit, 5*kib4 - unit, end / 2 &^ (unit - 1)} {
			m.write(t, int64(off), n)
		}
		for _, off := range []int{len(m.want) + 3, len(m.want) / 2, 1, 2*kib4 - 7} {
			m.stream(t, off, n-unit/2+1)
		}
		m.check(t)
		for range 5 {
			m.read(t)
		}
	}
	if err := m.f.Sync(); err != nil {
		t.Error(err)
	}
}

// The memory changes all the time. Each block on the media has its sum in Write.Sums;
// under Detect each good block has.
func TestReceiptsOfChangingMemoryOnEveryFileSystem(t *testing.T) {
	t.Parallel()
	const atLeast, atMost = 20, 5000
	onEveryFileSystem(t, func(t *testing.T, v *testenv.Volume) {
		for _, s := range Strategies() {
			if !s.Promise().Changed {
				continue
			}
			f := create(t, filepath.Join(v.Dir, s.String()), Options{Strategy: s, SegmentBytes: 8 * kib4})
			unit, seen := unitOf(f), 0
			p, rng := movingBuffer(t, 32*kib4), rand.New(rand.NewPCG(uint64(s), 0))
			for i := 0; i < atLeast || i < atMost && s.Detects() && seen == 0; i++ {
				n := unit * (1 + rng.IntN(len(p)/unit))
				w := &Write{Buf: p[:n], Off: int64(unit * rng.IntN(64)), Sums: make([]uint32, len(p)/kib4+1)}
				if err := f.Do(w); err != nil && !(s.Promise().Refuses && errors.Is(err, ErrChanged)) {
					t.Fatalf("%v: %v", s, err)
				}
				seen += w.Receipt.ChangedBlocks
				holds(t, f, w)
			}
			if s.Detects() && seen == 0 {
				t.Errorf("%v saw no change: the test showed nothing", s)
			}
		}
	})
}

// holds compares the media with the receipt, block by block.
func holds(t *testing.T, f *File, w *Write) {
	t.Helper()
	n := w.Receipt.N
	if n == 0 {
		return
	}
	got := testenv.Media(t, f.Name())[w.Off:][:n]
	sums := make([]uint32, crcguard.BlocksAt(w.Off, n))
	if sum := crcguard.ChecksumBlocksAt(got, w.Off, sums); sum != w.Receipt.Sum || !slices.Equal(sums, w.Sums[:len(sums)]) {
		t.Fatalf("%v, %d bytes at %d: torn: the receipt %+v says %#x, the media %#x", f.opts.Strategy, n, w.Off, w.Receipt, w.Sums[:len(sums)], sums)
	}
}

// A disk that fills up in the middle of a write: the good bytes are on the media with
// their sums, the rest counts as spoiled, and once there is room the File goes on.
func TestADiskFullInTheMiddleOfAWrite(t *testing.T) {
	t.Parallel()
	onEveryFileSystem(t, func(t *testing.T, v *testenv.Volume) {
		spare := filepath.Join(v.Dir, "spare")
		if err := os.WriteFile(spare, make([]byte, 2<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		var files []*File // there may be no room for them later
		for _, s := range Strategies() {
			files = append(files, create(t, filepath.Join(v.Dir, s.String()), Options{Strategy: s, SegmentBytes: 16 * kib4}))
		}
		fillUp(t, v.Dir)
		makeRoom(t, v.Dir, spare)
		for _, f := range files {
			s, p := f.opts.Strategy, AlignedBuffer(4<<20)
			for i := range p {
				p[i] = byte(i/512) + byte(s)
			}
			isFull(t, f, &Write{Buf: p, Sums: make([]uint32, crcguard.Blocks(len(p)))})
			makeRoom(t, v.Dir, f.Name())
			if err := f.Do(&Write{Buf: p[:8*kib4], Off: kib4}); err != nil {
				t.Errorf("%v, when there was room again: %v", s, err)
			}
			if got := testenv.Media(t, f.Name()); len(got) != 9*kib4 || !bytes.Equal(got[kib4:], p[:8*kib4]) {
				t.Errorf("%v, when there was room again: wrong bytes", s)
			}
			makeRoom(t, v.Dir, f.Name())
		}
	})
}

// isFull writes w, which does not fit, and requires a WriteError of ENOSPC.
func isFull(t *testing.T, f *File, w *Write) {
	t.Helper()
	s := f.opts.Strategy
	err := f.Do(w)
	var we *WriteError
	if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &we) || !strings.Contains(err.Error(), f.Name()) {
		t.Fatalf("%v: %v, want a WriteError of ENOSPC", s, err)
	}
	if s.Sums() && we.Good == 0 { // without sums Good is the count of one submission, which differs by kernel
		t.Errorf("%v: not in the middle: %+v", s, we)
	}
	if we.Good+we.Spoiled > we.Len || we.Len != len(w.Buf) || w.Receipt.N != we.Good {
		t.Errorf("%v: %+v, receipt %+v", s, we, w.Receipt)
	}
	got := testenv.Media(t, f.Name())
	if len(got) < we.Good || len(got) > we.Good+we.Spoiled || !bytes.Equal(got[:we.Good], w.Buf[:we.Good]) {
		t.Errorf("%v: the file has %d bytes, of which %d are said to be good and %d spoiled", s, len(got), we.Good, we.Spoiled)
	}
	if s.Sums() {
		holds(t, f, w)
	}
}

// fillUp leaves no room in the file system of dir. It reserves what can be
// reserved and writes the rest.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	off := int64(0)
	for n := int64(64 << 20); n >= kib4; {
		if err = unix.Fallocate(int(f.Fd()), 0, off, n); err == unix.EOPNOTSUPP {
			var wrote int
			wrote, err = f.WriteAt(make([]byte, n), off)
			off += int64(wrote) - n
		}
		switch err = pathless(err); {
		case err == nil:
			off += n
		case errors.Is(err, unix.ENOSPC):
			off = off &^ (kib4 - 1)
			n /= 2
		default:
			t.Fatal(err)
		}
	}
	makeRoom(t, dir, "")
}

// makeRoom empties a file, and waits until its room can be used.
func makeRoom(t *testing.T, dir, name string) {
	t.Helper()
	if name != "" {
		if err := os.Truncate(name, 0); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		t.Fatal(err)
	}
}

// A file system that breaks under an open File makes writes fail. Writes that were
// acknowledged and synced before are still on the media.
func TestAFileSystemThatBreaksUnderAnOpenFile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		mkfs []string
		end  func(t *testing.T, v *testenv.Volume)
		errs []error
	}{
		{"ext4 becomes read-only", []string{"mkfs.ext4", "-q"}, func(t *testing.T, v *testenv.Volume) {
			if err := unix.Mount("", v.Dir, "", unix.MS_REMOUNT, "abort"); err != nil {
				t.Fatal(err)
			}
		}, []error{syscall.EROFS, syscall.EIO}},
		{"ext4 shuts down", []string{"mkfs.ext4", "-q"}, func(t *testing.T, v *testenv.Volume) { v.ShutDown(t) }, []error{syscall.EIO}},
		{"xfs shuts down", []string{"mkfs.xfs", "-q"}, func(t *testing.T, v *testenv.Volume) { v.ShutDown(t) }, []error{syscall.EIO}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v := testenv.NewVolume(t, volumeBytes, "", tc.mkfs...)
			writes := acknowledged(t, v.Dir)
			tc.end(t, v)
			failing(t, writes, tc.errs...)
			v.Unmount(t)
			v.Mount(t, "")
			stillTrue(t, v.Dir, writes)
		})
	}
}

// Writes fail if the device of the file system is gone.
func TestADeviceThatVanishesUnderAnOpenFile(t *testing.T) {
	t.Parallel()
	for _, row := range fileSystems {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dev, vanish := testenv.MortalDevice(t, volumeBytes)
			v := testenv.NewVolumeOn(t, dev, row.options, row.mkfs...)
			writes := acknowledged(t, v.Dir)
			vanish()
			failing(t, writes, syscall.EIO, syscall.EROFS)
		})
	}
	t.Run("no file system", func(t *testing.T) {
		t.Parallel()
		dev, vanish := testenv.MortalDevice(t, volumeBytes)
		var writes []written
		for _, s := range Strategies() {
			f, err := Open(dev, Options{Strategy: s})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			writes = append(writes, writeAndSync(t, f))
		}
		vanish()
		failing(t, writes, syscall.EIO)
	})
}

// written is a write that was acknowledged, of a File that is still open.
type written struct {
	f *File
	w *Write
}

// acknowledged writes and syncs a file in dir by every strategy.
func acknowledged(t *testing.T, dir string) (writes []written) {
	t.Helper()
	for _, s := range Strategies() {
		writes = append(writes, writeAndSync(t, create(t, filepath.Join(dir, s.String()), Options{Strategy: s, SegmentBytes: 8 * kib4})))
	}
	return writes
}

func writeAndSync(t *testing.T, f *File) written {
	t.Helper()
	p := bytes.Repeat([]byte{0xa0 + byte(f.opts.Strategy)}, 256<<10)
	buf := AlignedBuffer(len(p))
	copy(buf, p)
	w := &Write{Buf: buf, Sums: make([]uint32, crcguard.Blocks(len(p)))}
	if err := f.Do(w); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	return written{f, w}
}

// failing requires that another write in place, or the Sync that it needs, returns an
// error with the range and the name, and that Sync and Close then fail.
func failing(t *testing.T, writes []written, causes ...error) {
	t.Helper()
	for _, w := range writes {
		f, s := w.f, w.f.opts.Strategy
		again := &Write{Buf: bytes.Clone(w.w.Buf)}
		if s == Raw {
			again.Buf = w.w.Buf
		}
		err := f.Do(again)
		var we *WriteError
		if err != nil && (!errors.As(err, &we) || we.Good != again.Receipt.N || we.Good+we.Spoiled > we.Len) {
			t.Errorf("%v: %#v, receipt %+v", s, err, again.Receipt)
		}
		if err == nil { // the page cache takes more than the media
			err = f.Sync()
			if closed := f.Close(); closed == nil {
				t.Errorf("%v: Close forgot that Sync failed", s)
			}
		}
		if err == nil || !strings.Contains(err.Error(), f.Name()) || !slices.ContainsFunc(causes, func(c error) bool { return errors.Is(err, c) }) {
			t.Errorf("%v: %v, want one of %v of %s", s, err, causes, f.Name())
		}
		f.Close() // so that it can be unmounted
	}
}

// stillTrue compares the media with receipts, through Files opened anew.
func stillTrue(t *testing.T, dir string, writes []written) {
	t.Helper()
	for _, w := range writes {
		name := filepath.Join(dir, w.f.opts.Strategy.String())
		if got := testenv.Media(t, name); !bytes.Equal(got, w.w.Buf) || w.w.Receipt.Summed && crcguard.Checksum(got) != w.w.Receipt.Sum {
			t.Errorf("%s: the media differ from a receipt returned before the failure", name)
		}
	}
}

// A file system that is mounted read-only is told when a file is opened for
// writing; reading goes on.
func TestOpenOnAReadOnlyMount(t *testing.T) {
	onEveryFileSystem(t, func(t *testing.T, v *testenv.Volume) {
		writes := acknowledged(t, v.Dir)
		for _, w := range writes {
			w.f.Close()
		}
		v.Unmount(t)
		v.Mount(t, "ro")
		stillTrue(t, v.Dir, writes)
		for _, s := range Strategies() {
			name := filepath.Join(v.Dir, s.String())
			for what, open := range map[string]func(string, Options) (*File, error){"Open": Open, "Create": Create} {
				if f, err := open(name, Options{Strategy: s}); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), name) {
					t.Errorf("%v: %s: %v, want EROFS", s, what, err)
					if err == nil {
						f.Close()
					}
				}
			}
			if _, err := Create(name+"-new", Options{Strategy: s}); !errors.Is(err, syscall.EROFS) {
				t.Errorf("%v: Create of a new file: %v, want EROFS", s, err)
			}
			f, err := OpenFile(name, os.O_RDONLY, 0, Options{Strategy: s})
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 10_000)
			if n, err := f.ReadAt(got, 1001); n != len(got) || err != nil || !bytes.Equal(got, bytes.Repeat([]byte{0xa0 + byte(s)}, len(got))) {
				t.Errorf("%v: ReadAt: %d, %v, or wrong bytes", s, n, err)
			}
			f.Close()
		}
	})
}
