package cost

import (
	"time"

	"golang.org/x/sys/unix"
)

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
