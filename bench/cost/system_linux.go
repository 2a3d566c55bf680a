package cost

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func cpuTime() cpuUsed {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return cpuUsed{}
	}
	return cpuUsed{time.Duration(ru.Utime.Nano()), time.Duration(ru.Stime.Nano())}
}

// dropCache takes the region out of the page cache, or the direct write that
// comes next would pay for that.
func dropCache(f *os.File, region int64) {
	_ = unix.Fadvise(int(f.Fd()), 0, region, unix.FADV_DONTNEED) // advice: without it the noise is larger
}

// fiemap is the head of the kernel's struct fiemap, include/uapi/linux/fiemap.h.
type fiemap struct {
	start, length   uint64
	flags, mapped   uint32
	count, reserved uint32 // count 0: only count
}

const fiemapIoctl = 0xc020660b // FS_IOC_FIEMAP, _IOWR('f', 11, struct fiemap)

// extents is the number of extents of a file, nil where it cannot be asked: of
// block devices, and on file systems without FIEMAP.
func extents(f *os.File) *int {
	m := fiemap{length: ^uint64(0)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), fiemapIoctl, uintptr(unsafe.Pointer(&m))); errno != 0 {
		return nil
	}
	n := int(m.mapped)
	return &n
}
