package cost

import (
	"os"
	"time"

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
func dropCache(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, regionBytes, unix.FADV_DONTNEED) // advice: without it the noise is larger
}
