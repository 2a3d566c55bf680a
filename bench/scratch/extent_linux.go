package scratch

import (
	"fmt"
	"iter"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fiemap is the kernel's struct fiemap with its extents, include/uapi/linux/fiemap.h.
type fiemap struct {
	start, length       uint64
	flags, mapped, n, _ uint32
	extents             [256]struct {
		logical, physical, length uint64
		_                         [2]uint64
		flags                     uint32
		_                         [3]uint32
	}
}

const (
	fiemapIoctl = 0xc020660b // FS_IOC_FIEMAP, _IOWR('f', 11, struct fiemap) of its head
	fiemapLast  = 1          // FIEMAP_EXTENT_LAST
)

// Extents lists the parts of f in their order
// (Documentation/filesystems/fiemap.rst). An error is the last.
func Extents(f *os.File) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		for m := (fiemap{}); ; {
			m.length, m.n, m.mapped = ^m.start, uint32(len(m.extents)), 0
			if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fiemapIoctl, uintptr(unsafe.Pointer(&m))); errno != 0 {
				yield(Extent{}, fmt.Errorf("FIEMAP of %s: %w", f.Name(), errno))
				return
			}
			for _, e := range m.extents[:m.mapped] {
				if !yield(Extent{int64(e.logical), int64(e.physical), int64(e.length)}, nil) || e.flags&fiemapLast != 0 {
					return
				}
				m.start = e.logical + e.length
			}
			if m.mapped == 0 {
				return
			}
		}
	}
}
