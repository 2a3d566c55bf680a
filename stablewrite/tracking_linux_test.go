package stablewrite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
	"weak"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

var tracks = Options{DetectBy: ByTracking}

// newTracked is newScripted, its buffer in memory that the kernel tracks.
func newTracked(t *testing.T, n int, script ...step) *scripted {
	t.Helper()
	d := newScripted(n, script...)
	p := anonymous(t, n, unix.MADV_NOHUGEPAGE)
	copy(p, d.buf)
	d.buf = p
	return d
}

// during changes the buffer before the device fetches it, and after.
func during(before, after func()) step { return step{land: -1, before: before, after: after} }

// Tracking sees the change that the digest misses (TestVerifyMissesARestoredChange).
func TestTrackingSeesARestoredChange(t *testing.T) {
	for _, tc := range []struct {
		o    Options
		seen error
	}{{o: tracks}, {o: Options{DetectBy: ByTracking, RequireTracking: true}}, {Options{Strategy: Detect, DetectBy: ByTracking}, ErrChanged}} {
		d := newTracked(t, 4*kib4)
		d.script = []step{during(func() { d.buf[2*kib4+5]++ }, func() { d.buf[2*kib4+5]-- })}
		f := d.file(t, tc.o)
		w := &Write{Buf: d.buf, Off: kib4, Sums: make([]uint32, 4)}
		if err := f.Do(w); !errors.Is(err, tc.seen) {
			t.Errorf("%+v: %v", tc.o, err)
		}
		if len(w.Changed) != 1 || w.Changed[0] != (Extent{Off: 2 * kib4, Len: kib4}) || !w.Receipt.Tracked {
			t.Errorf("%+v: changed %v, receipt %+v", tc.o, w.Changed, w.Receipt)
		}
		d.check(t, w)
		d.script = nil
		if err := f.Do(w); err != nil || w.Receipt.ChangedBlocks != 0 || !w.Receipt.Tracked {
			t.Errorf("%+v: nothing changed: %v, receipt %+v", tc.o, err, w.Receipt)
		}
		if s := f.Stats(); s.Untracked != 0 {
			t.Errorf("%+v: %d writes not tracked", tc.o, s.Untracked)
		}
	}
}

// trackedHands are ways to change a page in flight, and to restore it. A way that does not
// write the page in place (it drops it, or maps another there) restores it by a store.
var trackedHands = []struct {
	name   string
	change func(t *testing.T, page []byte)
}{
	{"a store", func(t *testing.T, page []byte) { page[7]++ }},
	{"a store of another thread", func(t *testing.T, page []byte) {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread() // and ends
			page[7]++
			close(done)
		}()
		<-done
	}},
	{"a handler of a signal", func(t *testing.T, page []byte) { onSignal(t, &page[7]) }},
	{"read(2) of a pipe", func(t *testing.T, page []byte) {
		var fds [2]int
		mustDo(t, unix.Pipe2(fds[:], unix.O_CLOEXEC))
		defer unix.Close(fds[0])
		defer unix.Close(fds[1])
		_, err := unix.Write(fds[1], []byte{page[7] + 1})
		mustDo(t, err)
		_, err = unix.Read(fds[0], page[7:8])
		mustDo(t, err)
	}},
	{"a direct read", func(t *testing.T, page []byte) {
		other := bytes.Clone(page)
		other[7]++
		readInto(t, page, other, unix.O_DIRECT)
	}},
	{"a buffered read", func(t *testing.T, page []byte) {
		other := bytes.Clone(page)
		other[7]++
		readInto(t, page, other, 0)
	}},
	{"process_vm_writev", func(t *testing.T, page []byte) {
		one := []byte{page[7] + 1}
		local := []unix.Iovec{{Base: &one[0], Len: 1}}
		remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&page[7])), Len: 1}}
		_, err := unix.ProcessVMWritev(os.Getpid(), local, remote, 0)
		mustDo(t, err)
	}},
	{"/proc/self/mem", func(t *testing.T, page []byte) {
		fd, err := unix.Open("/proc/self/mem", unix.O_RDWR|unix.O_CLOEXEC, 0)
		mustDo(t, err)
		defer unix.Close(fd)
		_, err = unix.Pwrite(fd, []byte{page[7] + 1}, int64(uintptr(unsafe.Pointer(&page[7]))))
		mustDo(t, err)
	}},
	{"MADV_DONTNEED", func(t *testing.T, page []byte) { mustDo(t, unix.Madvise(page, unix.MADV_DONTNEED)) }},
	{"MADV_DONTNEED and a load", func(t *testing.T, page []byte) {
		mustDo(t, unix.Madvise(page, unix.MADV_DONTNEED))
		sink += page[0]
	}},
	{"a store and MADV_PAGEOUT", func(t *testing.T, page []byte) {
		page[7]++
		mustDo(t, unix.Madvise(page, unix.MADV_PAGEOUT))
	}},
	{"munmap, and mmap of other memory there", func(t *testing.T, page []byte) { mapOver(t, page) }},
	{"mremap of other memory over it", func(t *testing.T, page []byte) {
		other, err := unix.MmapPtr(-1, 0, nil, kib4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		mustDo(t, err)
		*(*byte)(other) = page[7] + 1
		moveOver(t, uintptr(other), page)
	}},
	{"mremap of other tracked memory over it", func(t *testing.T, page []byte) {
		other, err := unix.MmapPtr(-1, 0, nil, kib4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		mustDo(t, err)
		p := unsafe.Slice((*byte)(other), kib4)
		untrack, err := Track(p)
		mustDo(t, err)
		defer untrack()
		p[7] = page[7] + 1
		k := tracking{wanted: true}
		if k.ArmPartsAt([][]byte{p}, 0); !k.tracks() {
			t.Error("the other memory is not armed")
		}
		moveOver(t, uintptr(other), page)
	}},
	{"mprotect, a store, and mprotect", func(t *testing.T, page []byte) {
		mustDo(t, unix.Mprotect(page, unix.PROT_READ))
		mustDo(t, unix.Mprotect(page, unix.PROT_READ|unix.PROT_WRITE))
		page[7]++
	}},
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func mapOver(t *testing.T, page []byte) {
	t.Helper()
	at := unsafe.Pointer(unsafe.SliceData(page))
	mustDo(t, unix.MunmapPtr(at, kib4))
	_, err := unix.MmapPtr(-1, 0, at, kib4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED)
	mustDo(t, err)
}

func moveOver(t *testing.T, other uintptr, page []byte) {
	t.Helper()
	if _, _, errno := unix.Syscall6(unix.SYS_MREMAP, other, kib4, kib4, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, uintptr(unsafe.Pointer(unsafe.SliceData(page))), 0); errno != 0 {
		t.Error(errno)
	}
}

// readInto reads the given bytes into page from a file opened with flag.
func readInto(t *testing.T, page, what []byte, flag int) {
	t.Helper()
	name := filepath.Join(testenv.DirectDir(t), "f")
	mustDo(t, os.WriteFile(name, what, 0o600))
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|flag, 0)
	mustDo(t, err)
	defer unix.Close(fd)
	if n, err := unix.Pread(fd, page, 0); n != len(page) || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}

// A page of tracked memory is changed in flight in every way, and restored. The receipt is
// true of the media, and no other page counts as changed.
func TestTrackingSeesEveryHand(t *testing.T) {
	for _, hand := range trackedHands {
		t.Run(hand.name, func(t *testing.T) {
			d := newTracked(t, 4*kib4)
			page := d.buf[kib4:][:kib4:kib4]
			was := bytes.Clone(page)
			d.script = []step{during(func() { hand.change(t, page) }, func() { copy(page, was) })}
			f := d.file(t, tracks)
			w := &Write{Buf: d.buf, Sums: make([]uint32, 4)}
			if err := f.Do(w); err != nil {
				t.Fatal(err)
			}
			d.check(t, w)
			if len(w.Changed) != 1 || w.Changed[0] != (Extent{Off: kib4, Len: kib4}) || !w.Receipt.Tracked {
				t.Errorf("changed %v, receipt %+v", w.Changed, w.Receipt)
			}
			// The next write has a true receipt, too, or is not tracked because other memory
			// is there now.
			d.calls, d.script = nil, []step{during(func() { page[9]++ }, func() { page[9]-- })}
			if err := f.Do(w); err != nil {
				t.Fatal(err)
			}
			if w.Receipt.Tracked {
				d.check(t, w)
			}
			if w.Receipt.Tracked != tracksMapping(t, page) || w.Receipt.Tracked != (w.Receipt.ChangedBlocks > 0) {
				t.Errorf("the next write: receipt %+v", w.Receipt)
			}
		})
	}
}

// A change is also seen if no store restores it.
func TestTrackingSeesEveryHandAlone(t *testing.T) {
	for _, hand := range trackedHands {
		t.Run(hand.name, func(t *testing.T) {
			d := newTracked(t, 4*kib4)
			d.script = []step{during(func() { hand.change(t, d.buf[kib4:][:kib4:kib4]) }, nil)}
			w := &Write{Buf: d.buf, Sums: make([]uint32, 4)}
			if err := d.file(t, tracks).Do(w); err != nil {
				t.Fatal(err)
			}
			if d.check(t, w); len(w.Changed) != 1 {
				t.Errorf("changed %v", w.Changed)
			}
		})
	}
}

// A device fills a buffer that was registered before the write began. The promise excludes
// that change; if a kernel begins to see it, this test tells.
func TestTrackingDoesNotSeeARegisteredBufferFilled(t *testing.T) {
	d := newTracked(t, 4*kib4)
	page := d.buf[kib4:][:kib4]
	other := bytes.Clone(page)
	other[7]++
	name := filepath.Join(testenv.DirectDir(t), "f")
	mustDo(t, os.WriteFile(name, other, 0o600))
	fill := registeredRead(t, name, page)
	was := bytes.Clone(page)
	d.script = []step{during(fill, nil)}
	w := &Write{Buf: d.buf}
	if err := d.file(t, tracks).Do(w); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(page, was) || crcguard.Checksum(d.media[:len(d.buf)]) == w.Receipt.Sum || len(w.Changed) > 0 {
		t.Errorf("the change was not made, or was seen (%v): then the promise could be stronger", w.Changed)
	}
}

// If a ReadAt into the buffer is under way when a write begins, the library knows of its
// pin, and the write is not tracked.
func TestReadsIntoTheBufferAreNotTracked(t *testing.T) {
	d := newTracked(t, 4*kib4)
	reading, goOn := make(chan struct{}), make(chan struct{})
	r, err := NewDevice(&reader{scripted: *newScripted(kib4), reading: reading, goOn: goOn}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var wg sync.WaitGroup
	wg.Go(func() { r.ReadAt(d.buf[kib4:2*kib4], 0) })
	<-reading
	f := d.file(t, tracks)
	w := &Write{Buf: d.buf}
	if err := f.Do(w); err != nil || w.Receipt.Tracked || f.Stats().Untracked != 1 {
		t.Errorf("%v, receipt %+v", err, w.Receipt)
	}
	strict := d.file(t, Options{DetectBy: ByTracking, RequireTracking: true})
	if err := strict.Do(w); !errors.Is(err, ErrNotTracked) || w.Receipt.N != 0 || w.Receipt.Tracked || len(d.calls) != 1 {
		t.Errorf("%v, receipt %+v, calls %v", err, w.Receipt, d.calls)
	}
	if err := strict.Do(&Write{Buf: d.buf[2*kib4:]}); err != nil {
		t.Errorf("other pages: %v", err)
	}
	close(goOn)
	wg.Wait()
	if err := strict.Do(w); err != nil || !w.Receipt.Tracked {
		t.Errorf("after the read: %v, receipt %+v", err, w.Receipt)
	}
}

// Pages that are tracked only after a read into them began do not count as tracked until
// it ends: the device writes to them unseen.
func TestMemoryTrackedDuringAReadIsNotTrackedYet(t *testing.T) {
	needTracking(t)
	buf := mapped(t, 4*kib4, unix.MADV_NOHUGEPAGE)
	reading, goOn := make(chan struct{}), make(chan struct{})
	r, err := NewDevice(&reader{scripted: *newScripted(kib4), reading: reading, goOn: goOn}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var wg sync.WaitGroup
	wg.Go(func() { r.ReadAt(buf[kib4:2*kib4], 0) })
	<-reading
	untrack, err := Track(buf)
	if err != nil {
		t.Fatal(err)
	}
	defer untrack()
	f, err := NewDevice(newScripted(kib4), Options{DetectBy: ByTracking})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := &Write{Buf: buf}
	if err := f.Do(w); err != nil || w.Receipt.Tracked {
		t.Errorf("while the read is under way: %v, receipt %+v", err, w.Receipt)
	}
	close(goOn)
	wg.Wait()
	if err := f.Do(w); err != nil || !w.Receipt.Tracked {
		t.Errorf("after the read: %v, receipt %+v", err, w.Receipt)
	}
}

// reader is a Device whose reads wait.
type reader struct {
	scripted
	reading, goOn chan struct{}
}

func (d *reader) ReadAt(p []byte, off int64) (int, error) {
	close(d.reading)
	<-d.goOn
	return d.scripted.ReadAt(p, off)
}

// A write of a buffer that is not tracked is compared by the digest, and its Receipt and
// Stats say so. With RequireTracking it is refused before anything is written.
func TestWhatIsNotTrackedIsSaid(t *testing.T) {
	needTracking(t)
	tracked := newTracked(t, 8*kib4).buf
	plain := mapped(t, 8*kib4, unix.MADV_NOHUGEPAGE)
	both := anonymous(t, 8*kib4, unix.MADV_NOHUGEPAGE)
	for name, w := range map[string]*Write{
		"plain memory":              {Buf: AlignedBuffer(4 * kib4)},
		"not registered":            {Buf: plain[:4*kib4]},
		"begins within a page":      {Buf: tracked[512:][:4*kib4]},
		"begins within a block":     {Buf: tracked[:4*kib4], Off: 512},
		"one part of two":           {Bufs: [][]byte{tracked[:kib4], plain[:kib4]}},
		"two that are not adjacent": {Bufs: [][]byte{tracked[:kib4], both[kib4/2:][:kib4]}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &gathering{*newScripted(8 * kib4)}
			f, err := NewDevice(d, tracks)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			p := w.Buf
			if p == nil {
				p = w.Bufs[len(w.Bufs)-1]
			}
			d.script = []step{during(nil, func() { p[0]++ })}
			if err := f.Do(w); err != nil || w.Receipt.Tracked || w.Receipt.ChangedBlocks != 1 || f.Stats().Untracked != 1 {
				t.Errorf("%v, receipt %+v", err, w.Receipt)
			}
			d.calls = nil
			strict, err := NewDevice(d, Options{DetectBy: ByTracking, RequireTracking: true})
			if err != nil {
				t.Fatal(err)
			}
			defer strict.Close()
			if err := strict.Do(w); !errors.Is(err, ErrNotTracked) || len(d.calls) != 0 {
				t.Errorf("%v, calls %v", err, d.calls)
			}
		})
	}
	d := &gathering{*newScripted(0)}
	f, err := NewDevice(d, Options{DetectBy: ByTracking, RequireTracking: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := &Write{Bufs: [][]byte{tracked[4*kib4:][:kib4], both[:2*kib4], tracked[:kib4]}, Sums: make([]uint32, 4)}
	d.script = []step{during(func() { both[kib4]++ }, func() { both[kib4]-- })}
	if err := f.Do(w); err != nil || !w.Receipt.Tracked || len(w.Changed) != 1 || w.Changed[0] != (Extent{Off: 2 * kib4, Len: kib4}) {
		t.Errorf("parts: %v, changed %v, receipt %+v", err, w.Changed, w.Receipt)
	}
	d.buf = bytes.Join(w.Bufs, nil)
	d.check(t, w)
}

// gathering is scripted for Bufs.
type gathering struct{ scripted }

func (d *gathering) WriteGatherAt(parts [][]byte, off int64) (int, error) {
	return d.WriteAt(bytes.Join(parts, nil), off)
}

// Others may write to shared memory unseen.
func TestSharedMemoryIsRefused(t *testing.T) {
	needTracking(t)
	fd, err := newMemfd(4 * kib4)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	p, err := unix.Mmap(fd, 0, 4*kib4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(p)
	if _, err := Track(p); err == nil || !strings.Contains(err.Error(), "not private") {
		t.Errorf("shared memory: %v", err)
	}
	if trackedAt(p, 0) != nil || tracksMapping(t, p) {
		t.Error("memory that Track refused is tracked")
	}
	q := anonymous(t, 4*kib4, unix.MADV_NOHUGEPAGE)
	for _, bad := range [][]byte{q[:0], q[1:][:kib4], q[:100], q[kib4:][:kib4]} {
		if _, err := Track(bad); err == nil {
			t.Errorf("%d bytes at %#x were accepted", len(bad), runOf(bad).lo)
		}
	}
}

// Memory of a TrackedBuffer that was collected can be tracked again, even before its
// cleanup has run. Memory of a TrackedBuffer in use is refused.
func TestMemoryOfACollectedBufferIsTrackedAnew(t *testing.T) {
	needTracking(t)
	p, buffer := mapped(t, 4*kib4, unix.MADV_NOHUGEPAGE), make([]byte, kib4)
	earlier, err := track(p, weak.Make(&buffer[0]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Track(p[kib4:]); err == nil || !strings.Contains(err.Error(), "tracked already") {
		t.Errorf("memory of a buffer in use: %v", err)
	}
	runtime.KeepAlive(buffer)
	for buffer = nil; earlier.buffer.Value() != nil; {
		runtime.GC()
	}
	untrack, err := Track(p[kib4:])
	if err != nil {
		t.Fatal(err)
	}
	defer untrack()
	earlier.untrack() // the cleanup, late
	if trackedAt(p[:kib4], 0) != nil || trackedAt(p[kib4:], 0) == nil || !tracksMapping(t, p[kib4:]) {
		t.Error("the memory that was tracked last, and no other, must be tracked")
	}
}

// A Device that takes no parts gets a copy, also with RequireTracking: a private copy does
// not change.
func TestWhatIsCopiedIsNotRefused(t *testing.T) {
	d := newTracked(t, 4*kib4)
	w := &Write{Bufs: [][]byte{d.buf[:kib4], d.buf[kib4:]}, Sums: make([]uint32, 4)}
	d.script = []step{during(func() { d.buf[5]++ }, func() { d.buf[5]-- })}
	f := d.file(t, Options{DetectBy: ByTracking, RequireTracking: true})
	if err := f.Do(w); err != nil || w.Receipt.Tracked || w.Receipt.ChangedBlocks != 0 || f.Stats().Unaligned != 1 || f.Stats().Untracked != 0 {
		t.Errorf("%v, receipt %+v, %+v", err, w.Receipt, f.Stats())
	}
	d.check(t, w)
}

// Two writes of one buffer at a time, to two Files, in every order of their steps. Each sees
// changes made during it, although the other arms the same pages meanwhile.
func TestTwoWritesOfOneBuffer(t *testing.T) {
	restored := func(p []byte) { p[5]++; p[5]-- }
	for name, second := range map[string]func(d *scripted, write func()){
		"changed before the second arms":   func(d *scripted, write func()) { restored(d.buf[kib4:]); write() },
		"changed while both are armed":     func(d *scripted, write func()) { write(); restored(d.buf[kib4:]) },
		"changed under the second alone":   func(d *scripted, write func()) { write() },
		"changed after the second is over": func(d *scripted, write func()) { write(); restored(d.buf[kib4:]) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newTracked(t, 4*kib4)
			e := newScripted(0)
			g := e.file(t, tracks)
			v := &Write{Buf: d.buf[kib4:][:2*kib4], Sums: make([]uint32, 2)}
			under := strings.Contains(name, "under")
			if under {
				e.script = []step{during(func() { d.buf[kib4]++ }, func() { d.buf[kib4]-- })}
			}
			d.script = []step{during(func() { d.buf[kib4+9]++ }, func() {
				d.buf[kib4+9]--
				second(d, func() { mustDo(t, g.Do(v)) })
			})}
			w := &Write{Buf: d.buf, Sums: make([]uint32, 4)}
			if err := d.file(t, tracks).Do(w); err != nil {
				t.Fatal(err)
			}
			d.check(t, w)
			e.buf = v.Buf
			e.check(t, v)
			if len(w.Changed) != 1 || !w.Receipt.Tracked || !v.Receipt.Tracked || (v.Receipt.ChangedBlocks > 0) != under {
				t.Errorf("changed %v and %v, receipts %+v, %+v", w.Changed, v.Changed, w.Receipt, v.Receipt)
			}
		})
	}
}

// A child of fork(2) has a copy that nobody tracks; its stores do not reach this
// process, whose pages stay armed.
func TestForkLeavesTheParentTracked(t *testing.T) {
	for name, tc := range map[string]struct{ child, parent bool }{"the child stores": {child: true}, "the parent does, too": {true, true}, "nobody does": {}} {
		t.Run(name, func(t *testing.T) {
			d := newTracked(t, 4*kib4)
			d.script = []step{during(func() {
				forkAndStore(t, &d.buf[kib4], tc.child)
				if tc.parent {
					d.buf[kib4+1]++
				}
			}, func() {
				if tc.parent {
					d.buf[kib4+1]--
				}
			})}
			w := &Write{Buf: d.buf, Sums: make([]uint32, 4)}
			if err := d.file(t, tracks).Do(w); err != nil {
				t.Fatal(err)
			}
			if d.check(t, w); (len(w.Changed) > 0) != tc.parent || !w.Receipt.Tracked {
				t.Errorf("changed %v, receipt %+v", w.Changed, w.Receipt)
			}
		})
	}
}

// forkAndStore forks a child that has only this thread. The child stores to *p if store is
// set, and ends.
func forkAndStore(t *testing.T, p *byte, store bool) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid := rawFork(p, store)
	var ws unix.WaitStatus
	if got, err := unix.Wait4(pid, &ws, 0, nil); got != pid || err != nil || ws.ExitStatus() != 0 {
		t.Errorf("the child: %v, %v, %v", got, err, ws)
	}
}

//go:norace
//go:nosplit
func rawFork(p *byte, store bool) int {
	pid, _, _ := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if pid != 0 {
		return int(pid)
	}
	if store {
		*p++
	}
	for {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}

// Memory that is untracked during a write counts as changed, also if it is tracked again
// and armed by another write.
func TestUntrackUnderAWrite(t *testing.T) {
	for _, anew := range []bool{false, true} {
		d := newTracked(t, 4*kib4)
		d.script = []step{during(func() {
			allTracked()[after(allTracked(), runOf(d.buf).lo)].untrack()
			if d.buf[5]++; !anew {
				return
			}
			untrack, err := Track(d.buf)
			mustDo(t, err)
			t.Cleanup(untrack)
			k := tracking{wanted: true}
			if k.ArmPartsAt([][]byte{d.buf}, 0); !k.tracks() {
				t.Error("not armed anew")
			}
		}, nil)}
		w := &Write{Buf: d.buf}
		if err := d.file(t, tracks).Do(w); err != nil {
			t.Fatal(err)
		}
		if d.check(t, w); len(w.Changed) != 1 || w.Changed[0].Len != 4*kib4 {
			t.Errorf("anew %v: changed %v", anew, w.Changed)
		}
	}
}

// The registration of a TrackedBuffer ends when it is collected. Until then its memory can
// be tracked again.
func TestTrackedBufferIsCollected(t *testing.T) {
	needTracking(t)
	before := len(allTracked())
	for range 50 {
		for _, n := range []int{1, kib4, 3*kib4 + 1, 64 << 10, hugePage + kib4} {
			b, err := TrackedBuffer(n)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) != n || cap(b) != n || trackedAt(b, 0) == nil {
				t.Fatalf("%d bytes of %d: tracked %v", len(b), n, trackedAt(b, 0))
			}
			for i := range b {
				if b[i] != 0 {
					t.Fatal("not zeroed")
				}
				b[i] = 1
			}
		}
		runtime.GC()
	}
	for range 1000 {
		if runtime.GC(); len(allTracked()) == before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := len(allTracked()); n != before {
		t.Errorf("%d buffers are tracked, %d were before", n, before)
	}
	if n := trackedMappings(t); n > before+2 {
		t.Errorf("%d mappings are tracked of %d buffers", n, before)
	}
}

// Several goroutines make, write and drop buffers, in memory that others had tracked just
// before. Each buffer stays tracked during its writes.
func TestTrackedBuffersComeAndGo(t *testing.T) {
	needTracking(t)
	var wg sync.WaitGroup
	for k := range 4 {
		d := newScripted(0)
		f := d.file(t, Options{DetectBy: ByTracking, RequireTracking: true})
		wg.Go(func() {
			for i := range 200 {
				b, err := TrackedBuffer((1 + (7*i+k)%16) * kib4)
				if err != nil {
					t.Error(err)
					return
				}
				at := len(b) / 2
				d.script = []step{during(func() { b[at] = 1 }, func() { b[at] = 0 })}
				d.calls, d.buf = nil, b
				w := &Write{Buf: b}
				if err := f.Do(w); err != nil || !w.Receipt.Tracked || w.Receipt.ChangedBlocks != 1 {
					t.Errorf("%v, receipt %+v", err, w.Receipt)
				}
				d.check(t, w)
				if i%50 == 0 {
					runtime.GC()
				}
			}
		})
	}
	wg.Wait()
}

// tracksMapping reports whether the mapping of p is registered for write protection.
func tracksMapping(t *testing.T, p []byte) bool {
	t.Helper()
	s, u := new(pageScan), theUserfault.userfault
	if err := u.scan(s, runOf(p), 0, pageIsWPAllowed, 0, true); err != nil {
		t.Fatal(err)
	}
	return len(s.found) > 0
}

// trackedMappings counts the mappings of the process that are registered: uw of
// VmFlags in smaps, Documentation/filesystems/proc.rst.
func trackedMappings(t *testing.T) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "VmFlags:") && strings.Contains(line, " uw ") {
			n++
		}
	}
	return n
}

func TestTrackingAllocatesNothing(t *testing.T) {
	d := newTracked(t, 8*kib4)
	for range 200 {
		d.script = append(d.script, during(nil, func() { d.buf[kib4]++ }))
	}
	d.calls = make([]call, 0, 1000)
	f := d.file(t, tracks)
	w := &Write{Buf: d.buf, Sums: make([]uint32, 8)}
	f.Do(w)
	if n := testing.AllocsPerRun(40, func() { f.Do(w) }); n != 0 {
		t.Errorf("Do allocates %v times", n)
	}
}

// registeredRead registers page with a ring, and returns a function by which the ring fills
// page from the file, opened with O_DIRECT.
func registeredRead(t *testing.T, name string, page []byte) (fill func()) {
	t.Helper()
	// Of include/uapi/linux/io_uring.h: struct io_uring_params, io_uring_sqe.
	const registerBuffers, readFixed, getEvents, sqesAt = 0, 4, 1, 0x10000000
	params := make([]uint32, 30)
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params[0])), 0)
	if errno != 0 {
		testenv.Missing(t, "io_uring: %v", errno)
	}
	t.Cleanup(func() { unix.Close(int(ring)) })
	queue, err := unix.Mmap(int(ring), 0, 1<<12, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	mustDo(t, err)
	t.Cleanup(func() { unix.Munmap(queue) })
	sqes, err := unix.Mmap(int(ring), sqesAt, 1<<12, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	mustDo(t, err)
	t.Cleanup(func() { unix.Munmap(sqes) })
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	mustDo(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	iov := []unix.Iovec{{Base: &page[0]}}
	iov[0].SetLen(len(page))
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, ring, registerBuffers, uintptr(unsafe.Pointer(&iov[0])), 1, 0, 0); errno != 0 {
		testenv.Missing(t, "registered buffers of io_uring: %v", errno)
	}
	sqes[0] = readFixed
	binary.NativeEndian.PutUint32(sqes[4:], uint32(fd))
	binary.NativeEndian.PutUint64(sqes[16:], uint64(uintptr(unsafe.Pointer(&page[0]))))
	binary.NativeEndian.PutUint32(sqes[24:], uint32(len(page)))
	const sqTail, sqArray, cqOffset, cqCQEs = 11, 16, 20, 25 // of params, in words
	return func() {
		binary.NativeEndian.PutUint32(queue[params[sqArray]:], 0)
		atomic.StoreUint32((*uint32)(unsafe.Pointer(&queue[params[sqTail]])), 1)
		if n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, ring, 1, 1, getEvents, 0, 0); n != 1 || errno != 0 {
			t.Errorf("submitted %d, %v", n, errno)
		}
		if got := int32(binary.NativeEndian.Uint32(queue[params[cqCQEs]+8:])); got != int32(len(page)) {
			t.Errorf("read %d", got)
		}
	}
}

// Pages are armed before they are summed, so a change between the two is seen.
func TestTrackingArmsBeforeItSums(t *testing.T) {
	d := newTracked(t, 4*kib4)
	m := trackedAt(d.buf, 0)
	between := &storing{pageTable: m.table, before: func() { d.buf[5]++ }, after: func() { d.buf[kib4+5]++ }}
	m.table = between
	defer func() { m.table = between.pageTable }()
	w := &Write{Buf: d.buf, Sums: make([]uint32, 4)}
	if err := d.file(t, tracks).Do(w); err != nil {
		t.Fatal(err)
	}
	if d.check(t, w); len(w.Changed) != 1 || w.Changed[0] != (Extent{Off: kib4, Len: kib4}) {
		t.Errorf("changed %v", w.Changed)
	}
}

// storing is a pageTable that stores to pages while it is called.
type storing struct {
	pageTable
	before, after func()
}

func (s *storing) protect(scan *pageScan, r pageRun) error {
	s.before()
	defer s.after()
	return s.pageTable.protect(scan, r)
}

// If the kernel fails to protect pages or to report them, none counts as unchanged, not
// even for another write that shares them.
func TestTrackingFailsClosed(t *testing.T) {
	for what, fail := range map[string]failingTable{"protect": {protects: true}, "unchanged": {looks: true}} {
		t.Run(what, func(t *testing.T) {
			d, e := newTracked(t, 4*kib4), newScripted(0)
			m := trackedAt(d.buf, 0)
			table := m.table
			defer func() { m.table = table }()
			g := e.file(t, tracks)
			v := &Write{Buf: d.buf[kib4:][:2*kib4]}
			d.script = []step{during(nil, func() {
				fail.pageTable = table
				m.table = &fail
				mustDo(t, g.Do(v))
				if m.table = table; fail.looks {
					m.table = &fail
				}
			})}
			w := &Write{Buf: d.buf}
			if err := d.file(t, tracks).Do(w); err != nil {
				t.Fatal(err)
			}
			want := Extent{Off: kib4, Len: 2 * kib4}
			if fail.looks {
				want = Extent{Off: 0, Len: 4 * kib4}
			}
			if len(w.Changed) != 1 || w.Changed[0] != want || v.Receipt.Tracked != fail.looks || (v.Receipt.ChangedBlocks == 2) != fail.looks {
				t.Errorf("changed %v, of the other %v, tracked %v", w.Changed, v.Changed, v.Receipt.Tracked)
			}
		})
	}
}

// failingTable is a pageTable that does its work and then fails.
type failingTable struct {
	pageTable
	protects, looks bool
}

func (f *failingTable) protect(s *pageScan, r pageRun) error {
	err := f.pageTable.protect(s, r)
	if f.protects {
		return unix.ENOMEM
	}
	return err
}

func (f *failingTable) unchanged(s *pageScan, r pageRun) error {
	err := f.pageTable.unchanged(s, r)
	if f.looks {
		return unix.ENOMEM
	}
	return err
}

// A change is seen although the kernel makes one huge page of many small ones before it,
// after it or both. A store splits the mapping of a huge page.
func TestTrackingOfPagesThatBecomeHuge(t *testing.T) {
	const madvCollapse = 25 // MADV_COLLAPSE of include/uapi/asm-generic/mman-common.h, Linux 6.1
	for name, advice := range map[string]int{"small": unix.MADV_NOHUGEPAGE, "huge": unix.MADV_HUGEPAGE} {
		for _, when := range []string{"never", "before", "after", "before and after"} {
			t.Run(name+", collapsed "+when, func(t *testing.T) {
				d := newScripted(0)
				d.media, d.buf = make([]byte, 2*hugePage), anonymous(t, hugePage, advice)
				mustDo(t, unix.Madvise(d.buf, unix.MADV_HUGEPAGE))
				page := d.buf[37*kib4:][:kib4]
				collapse := func(now string) {
					if strings.Contains(when, now) {
						_ = unix.Madvise(d.buf, madvCollapse) // refused as long as pages are protected
					}
				}
				d.script = []step{during(func() { collapse("before"); page[5]++ }, func() { page[5]--; collapse("after") })}
				w := &Write{Buf: d.buf}
				if err := d.file(t, Options{DetectBy: ByTracking, SegmentBytes: hugePage}).Do(w); err != nil {
					t.Fatal(err)
				}
				if d.check(t, w); len(w.Changed) == 0 || !w.Receipt.Tracked {
					t.Errorf("changed %v, receipt %+v", w.Changed, w.Receipt)
				}
				if now := hugeBytes(d.buf); name == "huge" && when == "never" && now != 0 {
					t.Errorf("%d bytes lie in huge pages after a store to one", now)
				}
			})
		}
	}
}

// A segment of whole huge pages leaves their mappings as they are; one of a part splits
// the mapping.
func TestHugePagesThatAreArmed(t *testing.T) {
	for segment, whole := range map[int]bool{hugePage: true, hugePage / 4: false} {
		d := newScripted(0)
		d.media, d.buf, d.geo.Direct = make([]byte, 2*hugePage), anonymous(t, hugePage, unix.MADV_HUGEPAGE), DirectYes
		if hugeBytes(d.buf) != hugePage {
			testenv.Missing(t, "a free huge page")
		}
		w := &Write{Buf: d.buf}
		if err := d.file(t, Options{DetectBy: ByTracking, SegmentBytes: segment}).Do(w); err != nil || !w.Receipt.Tracked || len(w.Changed) > 0 {
			t.Errorf("%v, receipt %+v", err, w.Receipt)
		}
		if n := hugeBytes(d.buf); (n == hugePage) != whole {
			t.Errorf("segments of %d: %d bytes lie in huge pages", segment, n)
		}
	}
}
