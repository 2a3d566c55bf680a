package stablewrite

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

// A File beside other writers of the same file loses none of their bytes.

// adopted makes a file and returns it as a File and as the os.File given to New.
func adopted(t *testing.T, o Options) (*File, *os.File) {
	t.Helper()
	own, err := os.Create(filepath.Join(testenv.DirectDir(t), "f"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(own, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); own.Close() })
	return f, own
}

// A Stream that ends within a unit keeps the bytes that others append meanwhile,
// and those that they write into the same unit.
func TestStreamLeavesTheBytesOfOthers(t *testing.T) {
	t.Parallel()
	f, own := adopted(t, Options{})
	far, near := []byte("precious"), make([]byte, 1)
	for round := range 300 {
		if err := own.Truncate(0); err != nil {
			t.Fatal(err)
		}
		var others sync.WaitGroup
		others.Go(func() {
			near[0] = byte(round)
			own.WriteAt(near, 100)
			own.WriteAt(far, 1<<20)
		})
		for range 1 + round%5 {
			s := f.StreamAt(0)
			s.Write([]byte("hello"))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		others.Wait()
		got, err := os.ReadFile(own.Name())
		if err != nil || len(got) != 1<<20+len(far) || !bytes.Equal(got[1<<20:], far) || got[100] != near[0] || string(got[:5]) != "hello" {
			t.Fatalf("round %d: %v, %d bytes, or bytes of others are lost", round, err, len(got))
		}
	}
}

// Space that was reserved for a file stays reserved.
func TestStreamKeepsWhatIsPreallocated(t *testing.T) {
	f, own := adopted(t, Options{})
	const reserved = 8 << 20
	if err := unix.Fallocate(int(own.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, reserved); err != nil {
		t.Fatal(err)
	}
	s := f.StreamAt(0)
	for range 3 {
		s.Write([]byte("a line of a log\n"))
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(own.Fd()), &st); err != nil || st.Blocks*512 < reserved || st.Size != 48 {
		t.Errorf("%v: %d bytes reserved, of %d; size %d", err, st.Blocks*512, reserved, st.Size)
	}
}

func TestStreamOfAFileThatCannotBeRead(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	f, err := OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := f.StreamAt(0)
	for _, part := range []string{"one", "two"} {
		s.Write([]byte(part))
		if err := s.Flush(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := testenv.Media(t, name); string(got) != "onetwo" {
		t.Errorf("the file holds %q", got)
	}
}

func TestStreamOfAFileOpenForReading(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(name, os.O_RDONLY, 0, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.StreamAt(0).Write([]byte("x")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
}

// A part of a unit is written through another descriptor, which has the O_SYNC and
// O_DSYNC of the File and is closed with it.
func TestPartsAreAsSynchronousAsTheFile(t *testing.T) {
	for _, flag := range []int{0, unix.O_SYNC, unix.O_DSYNC} {
		f, err := OpenFile(filepath.Join(testenv.DirectDir(t), "f"), os.O_RDWR|os.O_CREATE|flag, 0o600, Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := f.StreamAt(0)
		s.Write([]byte("x"))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		d := f.dev.(*linuxFile)
		got, err := unix.FcntlInt(d.cached.Fd(), unix.F_GETFL, 0)
		if err != nil || got&unix.O_SYNC != flag&unix.O_SYNC || got&unix.O_DIRECT != 0 {
			t.Errorf("flags %#o of a File with %#o: %v", got, flag, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := d.cached.Stat(); err == nil {
			t.Error("Close left the descriptor for parts of units open")
		}
	}
}

// Create of a file that is being written empties it before a write or after it,
// not in its middle.
func TestTruncationIsOrderedAgainstWrites(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	p := bytes.Repeat([]byte{1}, 8<<20)
	for round := range 30 {
		f, err := Create(name, Options{Strategy: Bounce})
		if err != nil {
			t.Fatal(err)
		}
		var writing sync.WaitGroup
		writing.Go(func() {
			if _, err := f.WriteAt(p, 0); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Duration(round) * 300 * time.Microsecond)
		g, err := Create(name, Options{Strategy: Bounce})
		if err != nil {
			t.Fatal(err)
		}
		writing.Wait()
		if got, err := os.ReadFile(name); err != nil || len(got) != 0 && !bytes.Equal(got, p) {
			t.Fatalf("round %d: %v, %d bytes, cut in the middle", round, err, len(got))
		}
		f.Close()
		g.Close()
	}
}

// On a block device a buffered and a direct write to one page wait for each other, even
// if they write different sectors.
func TestSectorsOfAPageOfABlockDeviceAreOrdered(t *testing.T) {
	dev := testenv.LoopDevice(t, 1<<20)
	cached, direct := opened(t, dev, Options{Strategy: Buffered}), opened(t, dev, Options{Strategy: Bounce})
	for _, tc := range []struct {
		f          *File
		off        int64 // of the write
		held       int64 // offset of a sector that another write holds
		waitsThere bool
	}{
		{cached, 3584, 0, true},
		{direct, 0, 3584, true},
		{cached, 3584, kib4, false},
		{direct, kib4, 3584, false},
	} {
		other := &progress{w: &Write{Off: tc.held}, f: tc.f, n: 512}
		var held span
		off, end := other.reach()
		tc.f.target.lock(&held, off, end)
		q := tc.f.Queue(1)
		w := &Write{Buf: AlignedBuffer(512), Off: tc.off}
		starts(t, q, w)
		tc.f.target.mu.Lock()
		waits := w.state.locked.before > 0
		tc.f.target.mu.Unlock()
		if waits != tc.waitsThere {
			t.Errorf("%v: a write at %d waits for one at %d: %v", tc.f.opts.Strategy, tc.off, tc.held, waits)
		}
		tc.f.target.unlock(&held)
		drained(t, q)
		q.Close()
	}
}

// On a block device buffered and direct writes go to the same pages: neither loses
// the bytes of the other.
func TestBufferedAndDirectFilesOnOneBlockDevice(t *testing.T) {
	t.Parallel()
	dev := testenv.LoopDevice(t, 16<<20)
	cached, err := Open(dev, Options{Strategy: Buffered})
	if err != nil {
		t.Fatal(err)
	}
	defer cached.Close()
	direct, err := Open(dev, Options{Strategy: Bounce})
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	var stop atomic.Bool
	var other sync.WaitGroup
	other.Go(func() {
		for p := make([]byte, 512); !stop.Load(); {
			if _, err := cached.WriteAt(p, 3584); err != nil {
				t.Error(err)
				return
			}
		}
	})
	p, got := AlignedBuffer(512), AlignedBuffer(512)
	for i := range 5_000 {
		for k := range p {
			p[k] = byte(i)
		}
		if _, err := direct.WriteAt(p, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := direct.ReadAt(got, 0); err != nil || !bytes.Equal(got, p) {
			t.Errorf("write %d is lost: %v", i, err)
			break
		}
	}
	stop.Store(true)
	other.Wait()
}

// Streams on a block device share sectors with their neighbours and lose no bytes.
func TestStreamsThatMeetOnABlockDevice(t *testing.T) {
	dev := testenv.LoopDevice(t, 16<<20)
	const each = 700 // bytes, so that neighbours share sectors (512) and pages (4096)
	var all sync.WaitGroup
	for k := range 8 {
		all.Go(func() {
			f, err := Open(dev, Options{Strategy: Strategies()[k%len(Strategies())]})
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for range 50 {
				s := f.StreamAt(int64(k * each))
				s.Write(bytes.Repeat([]byte{byte(k + 1)}, each))
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got := make([]byte, 8*each)
	f, err := Open(dev, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	for k := range 8 {
		if part := got[k*each:][:each]; !bytes.Equal(part, bytes.Repeat([]byte{byte(k + 1)}, each)) {
			t.Errorf("Stream %d lost bytes to its neighbours", k)
		}
	}
}

// A write of a buffer that cannot be read fails with EFAULT, as a system call does,
// under every Strategy, at every length, whichever part of the buffer is missing.
func TestMemoryThatGoesAwayIsEFAULT(t *testing.T) {
	const size, there = 4 << 20, 512 << 10
	for _, s := range Strategies() {
		fd, err := newMemfd(size)
		if err != nil {
			t.Fatal(err)
		}
		p, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Ftruncate(fd, there); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(testenv.DirectDir(t), "file")
		if err := os.WriteFile(name, make([]byte, 2*size), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := Open(name, Options{Strategy: s})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []*File{newDisk(2*size).file(t, Options{Strategy: s}), file} {
			if s == Raw && f != file { // only the Device reads the memory
				continue
			}
			for _, buf := range [][]byte{p, p[there-kib4:][:2*kib4], p[there:][:kib4], p[100:][:2<<20]} {
				if s == Raw && !aligned(buf, f.geo.MemAlign) {
					continue
				}
				before := f.Stats().Failed
				w := &Write{Buf: buf, Sums: make([]uint32, crcguard.Blocks(len(buf)))}
				for name, write := range map[string]func() error{
					"Do": func() error { return f.Do(w) },
					"Queue": func() error {
						q := f.Queue(1)
						defer q.Close()
						return errors.Join(q.Start(w), q.Wait().Err)
					},
				} {
					e := (*WriteError)(nil)
					if err := write(); !errors.Is(err, syscall.EFAULT) || !errors.As(err, &e) || e.Good > there || w.Receipt.N != e.Good {
						t.Errorf("%v, %s of %d bytes: %v", s, name, len(buf), err)
					}
				}
				if failed := f.Stats().Failed - before; failed != 2 {
					t.Errorf("%v: Stats tell of %d failed writes", s, failed)
				}
			}
			st := f.StreamAt(0)
			if n, err := st.Write(p); !errors.Is(err, syscall.EFAULT) || n > there {
				t.Errorf("%v, Stream: %d, %v", s, n, err)
			}
			for what, call := range map[string]func() error{
				"Write": func() error { _, err := st.Write([]byte("more")); return err }, "Flush": st.Flush, "Close": st.Close,
			} {
				if err := call(); !errors.Is(err, syscall.EFAULT) {
					t.Errorf("%v, %s of a Stream that lost bytes: %v", s, what, err)
				}
			}
			if _, err := f.ReadAt(p[there:][:100], 3); !errors.Is(err, syscall.EFAULT) {
				t.Errorf("%v, ReadAt: %v", s, err)
			}
			if busyFile(f) {
				t.Errorf("%v: memory or range leaked", s)
			}
		}
		file.Close()
		unix.Munmap(p)
		unix.Close(fd)
	}
}

// OnChanged may use the File, even while Close waits.
func TestWatchersMayUseTheFile(t *testing.T) {
	d, p := changing(kib4)
	other := AlignedBuffer(kib4)
	closed := make(chan error, 1)
	var f *File
	use := func() {
		go func() { closed <- f.Close() }()
		for f.open.TryRLock() { // until Close waits, or is done
			done := f.closed
			f.open.RUnlock()
			if done {
				break
			}
			time.Sleep(100 * time.Microsecond)
		}
		f.WriteAt(other, 0)
	}
	f, err := NewDevice(d, Options{OnChanged: func(Change) { use() }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(p, 0); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
