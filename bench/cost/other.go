//go:build !linux

package cost

import (
	"errors"
	"os"
	"os/exec"
	"time"

	"stablepages/stablewrite"
)

func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

func cpuTime() (user, system time.Duration) { return 0, 0 }

func dropCache(*os.File, int64) {}

func extents(*os.File) *int { return nil }

func openDontcache(*os.File) (stablewrite.Device, error) { return nil, errors.ErrUnsupported }

func takesDontcache(*os.File) bool { return false }

func mortal(*exec.Cmd) {}

func mapPages(n int, _ bool) ([]byte, func(), error) {
	return stablewrite.AlignedBuffer(n), func() {}, nil
}
