package cost

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleepUntil sleeps on this thread, to which the goroutine must be locked. The
// runtime's timers are a millisecond coarse where nothing else runs; those of the
// kernel are rounded to the thread's slack, 50 us unless it is set (prctl(2)).
func sleepUntil(t time.Time) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it sleeps are longer
	for left := time.Until(t); left > 0; left = time.Until(t) {
		ts := unix.NsecToTimespec(left.Nanoseconds())
		_ = unix.Nanosleep(&ts, nil) // interrupted or not, the clock decides
	}
}
