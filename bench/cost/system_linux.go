package cost

import (
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/scratch"
)

// cpuTime is the processor time of this process. Threads of the kernel, which write back
// the page cache, are not in it.
func cpuTime() (user, system time.Duration) {
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &ru) // fails for wrong arguments only
	return time.Duration(ru.Utime.Nano()), time.Duration(ru.Stime.Nano())
}

// mortal makes cmd die with the thread that starts it.
func mortal(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// dropCache takes the region out of the page cache, so that the next direct write does not
// pay for that.
func dropCache(f *os.File, region int64) {
	_ = unix.Fadvise(int(f.Fd()), 0, region, unix.FADV_DONTNEED) // advice: without it the noise is larger
}

// sleepUntil sleeps on this thread, to which the goroutine must be locked. On an idle
// machine the runtime's timers are a millisecond late. The kernel's are late by the slack
// of the thread, 50 us by default (prctl(2)).
func sleepUntil(t time.Time) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it sleeps are longer
	for left := time.Until(t); left > 0; left = time.Until(t) {
		ts := unix.NsecToTimespec(left.Nanoseconds())
		_ = unix.Nanosleep(&ts, nil) // interrupted or not, the clock decides
	}
}

// mapPages maps n bytes in huge pages, as far as the system has them, or in small pages.
func mapPages(n int, huge bool) (p []byte, unmap func(), err error) {
	const hugePage = 2 << 20
	all, err := unix.Mmap(-1, 0, n+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, err
	}
	advice := unix.MADV_NOHUGEPAGE
	if huge {
		advice = unix.MADV_HUGEPAGE
	}
	_ = unix.Madvise(all, advice) // fails on a kernel without huge pages
	p = all[int(-address(all)%hugePage):][:n:n]
	return p, func() { _ = unix.Munmap(all) }, nil
}

// extents is the number of extents of a file; nil for block devices and on file systems
// without FIEMAP.
func extents(f *os.File) *int {
	n := 0
	for _, err := range scratch.Extents(f) {
		if err != nil {
			return nil
		}
		n++
	}
	return &n
}
