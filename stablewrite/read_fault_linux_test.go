package stablewrite

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// If a Device reads into memory of the caller that went away, ReadAt returns EFAULT. If it
// touches other such memory, ReadAt panics with a PanicError. Nothing stays held.
func TestADeviceThatFaultsDoesNotEndTheProgram(t *testing.T) {
	fd, err := newMemfd(2 * kib4)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	mem, err := unix.Mmap(fd, 0, 2*kib4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem)
	if err := unix.Ftruncate(fd, kib4); err != nil {
		t.Fatal(err)
	}
	f := fileOn(t, newDisk(2*kib4), Options{Strategy: Raw})
	if _, err := f.ReadAt(mem, 0); !errors.Is(err, syscall.EFAULT) {
		t.Errorf("into memory of the caller: %v", err)
	}
	other := fileOn(t, &faulting{newDisk(2 * kib4), mem[kib4:]}, Options{Strategy: Raw})
	for _, p := range [][]byte{AlignedBuffer(kib4), make([]byte, 100)} {
		func() {
			defer func() {
				if died, ok := recover().(*PanicError); !ok || died.Value == nil {
					t.Error("a fault elsewhere is no PanicError")
				}
			}()
			other.ReadAt(p, 0)
		}()
	}
	if busyFile(other) {
		t.Error("memory leaked")
	}
}

// faulting reads memory that is not there.
type faulting struct {
	*disk
	gone []byte
}

func (d *faulting) ReadAt(p []byte, off int64) (int, error) {
	copy(p, slices.Clone(d.gone))
	return len(p), nil
}
