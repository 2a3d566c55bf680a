package scratch

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock is held until f is closed.
func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return errTaken
	}
	return err
}

func nameless(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
}

const directFlag = unix.O_DIRECT

// DataSync is fdatasync(2): what a write returned for is on the disk, and what is
// needed to read it.
func DataSync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
