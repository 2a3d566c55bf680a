package crcguard_test

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"stablepages/crcguard"
)

// movingBytes is memory that another process writes to all the time. Its first word counts
// how often the process has written all of the rest.
const movingBytes = 48 << 10

// moving returns such memory, of a memfd, so that the race detector does not know of
// it.
func moving(t *testing.T) (mem []byte, fd *os.File) {
	t.Helper()
	n, err := unix.MemfdCreate("moving", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	fd = os.NewFile(uintptr(n), "moving")
	t.Cleanup(func() { fd.Close() })
	if err := fd.Truncate(movingBytes); err != nil {
		t.Fatal(err)
	}
	mem, err = unix.Mmap(n, 0, movingBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(mem) })
	return mem, fd
}

// scribble changes every word of mem, over and over, until told to stop. No value
// comes twice.
func scribble(mem []byte, stop func() bool) {
	words := unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), len(mem)/8)
	for x := uint64(1); !stop(); x++ {
		for i := 1; i < len(words); i++ {
			atomic.StoreUint64(&words[i], x*0x9e3779b97f4a7c15+uint64(i))
		}
		atomic.StoreUint64(&words[0], x)
	}
}

// movingByThread is memory that a thread of this process writes to.
func movingByThread(t *testing.T) []byte {
	mem, _ := moving(t)
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		scribble(mem, stop.Load)
	}()
	t.Cleanup(func() { stop.Store(true); <-done })
	return underWay(t, mem)
}

// movingByProcess is memory that another process writes to.
func movingByProcess(t *testing.T) []byte {
	mem, fd := moving(t)
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), scribblerEnv+"=1")
	child.ExtraFiles = []*os.File{fd}
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := child.Wait(); err != nil {
			t.Errorf("the other process: %v", err)
		}
	})
	return underWay(t, mem)
}

// underWay waits until somebody writes to mem.
func underWay(t *testing.T, mem []byte) []byte {
	for began := time.Now(); rounds(mem) == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("nobody writes")
		}
	}
	return mem
}

// rounds returns how often the writer has written all of mem.
func rounds(mem []byte) uint64 { return atomic.LoadUint64((*uint64)(unsafe.Pointer(&mem[0]))) }

// A copy returns the sum of the bytes that it stored, even if others write to its source.

func TestSumsAreOfTheCopyWhileAThreadChangesTheSource(t *testing.T) {
	everyKernel(t, func(t *testing.T) { testSumsAreOfTheCopy(t, movingByThread(t)) })
}

func TestSumsAreOfTheCopyWhileAnotherProcessChangesTheSource(t *testing.T) {
	everyKernel(t, func(t *testing.T) { testSumsAreOfTheCopy(t, movingByProcess(t)) })
}

// copier is a function that copies; with sums of blocks, or without and then for any
// offset.
type copier struct {
	blocks bool
	copy   func(dst, src []byte, off int64, sums []uint32) uint32
}

var copiers = map[string]copier{
	"CopyBlocksAt":     {true, crcguard.CopyBlocksAt},
	"CopyBlocksColdAt": {true, crcguard.CopyBlocksColdAt},
	"Copy":             {false, func(dst, src []byte, _ int64, _ []uint32) uint32 { return crcguard.Copy(dst, src) }},
	"CopyCold":         {false, func(dst, src []byte, _ int64, _ []uint32) uint32 { return crcguard.CopyCold(dst, src) }},
}

func testSumsAreOfTheCopy(t *testing.T, src []byte) {
	copies := 50_000 / thin()
	for name, by := range copiers {
		t.Run(name, func(t *testing.T) {
			wrong, control := 0, 0
			for began := time.Now(); ; {
				w, c := hold(copies, src, by)
				wrong, control = wrong+w, control+c
				// Wrong sums of the source show that the test can see a wrong sum. On a
				// busy machine the other writer may not have run yet.
				if control > 0 || time.Since(began) > time.Minute {
					break
				}
			}
			t.Logf("of %d copies %d sums of the copy are wrong, %d of the source", copies, wrong, control)
			if wrong != 0 {
				t.Errorf("%d sums are not of the copy", wrong)
			}
			if control == 0 {
				t.Error("no sum of the source ever differed from the copy: the test showed nothing")
			}
		})
	}
}

// hold makes copies of a block or more, some with parts of blocks at their ends. It
// counts the copies whose sum, or sums of blocks, differ from the copy, and, as a
// control, the sums of the source that do. The whole blocks of the destination are
// aligned, as streaming needs.
func hold(copies int, src []byte, c copier) (wrong, control int) {
	rng := newRand()
	room := aligned(movingBytes+crcguard.BlockSize, crcguard.BlockSize)
	sums := make([]uint32, crcguard.BlocksAt(4095, movingBytes))
	for i := range copies {
		n := (1 + rng.IntN(4)) * crcguard.BlockSize
		if i%100 == 0 {
			n = movingBytes / 2
		}
		off := int64(0)
		if i%3 == 0 {
			off = rng.Int64N(crcguard.BlockSize)
			n += rng.IntN(crcguard.BlockSize) + int(-off)&(crcguard.BlockSize-1)
		}
		at := 8 + rng.IntN(movingBytes-n-7)
		src, dst := src[at:at+n], room[off:][:n]
		source := crcguard.Checksum(src)
		whole := c.copy(dst, src, off, sums)
		is := newReferenceAt(dst, off)
		ok := whole == is.whole
		if c.blocks {
			ok = ok && slices.Equal(sums[:len(is.sums)], is.sums)
		}
		if !ok {
			wrong++
		}
		if source != is.whole {
			control++
		}
	}
	return wrong, control
}

// A digest that is armed while the buffer changes may mix several moments, all during
// the call, so it sees a change of all bytes after the call.
func TestAGuardThatWasArmedInTheMiddleOfChangesSeesTheNextOne(t *testing.T) {
	everyKernel(t, func(t *testing.T) {
		src := movingByThread(t)
		p := src[crcguard.BlockSize : 9*crcguard.BlockSize]
		var g crcguard.Guard
		for range 2000 / thin() {
			g.Arm(p)
			at := rounds(src)
			for rounds(src) < at+2 { // all of p has changed
				runtime.Gosched()
			}
			if got := g.AppendChanged(nil, p); len(got) != 1 || got[0].Len != len(p) {
				t.Fatalf("all blocks changed, AppendChanged says %v", got)
			}
		}
	})
}
