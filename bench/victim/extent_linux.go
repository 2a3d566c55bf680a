package victim

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fiemap is the kernel's struct fiemap with its extents, include/uapi/linux/fiemap.h.
type fiemap struct {
	start, length          uint64
	flags, mapped, n, last uint32
	extents                [64]struct {
		logical, physical, length uint64
		_                         [2]uint64
		flags                     uint32
		_                         [3]uint32
	}
}

// fiemapIoctl is FS_IOC_FIEMAP, _IOWR('f', 11, struct fiemap) of its head.
const fiemapIoctl = 0xc020660b

// extentsOf lists where the first bytes of f lie, on a file system that overwrites data in
// their place.
func extentsOf(f *os.File, bytes int64) (all []extent, err error) {
	m := fiemap{length: uint64(bytes)}
	m.n = uint32(len(m.extents))
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fiemapIoctl, uintptr(unsafe.Pointer(&m))); errno != 0 {
		return nil, fmt.Errorf("FIEMAP of %s: %w", f.Name(), errno)
	}
	at := int64(0)
	for _, e := range m.extents[:m.mapped] {
		if int64(e.logical) > at {
			break
		}
		n := min(int64(e.logical+e.length), bytes) - at
		all = append(all, extent{int64(e.physical) + at - int64(e.logical), n})
		at += n
	}
	if at < bytes {
		return nil, fmt.Errorf("%s has %d bytes on its device, not %d", f.Name(), at, bytes)
	}
	return all, nil
}
