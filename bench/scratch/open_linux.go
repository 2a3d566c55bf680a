package scratch

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock locks f until f is closed, unless another process has locked it.
func lock(f *os.File) (taken bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return err == unix.EWOULDBLOCK, err
}

func nameless(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
}

const directFlag = unix.O_DIRECT

// DataSync is fdatasync(2): it makes the completed writes of f durable, and the
// metadata that reading them needs.
func DataSync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
