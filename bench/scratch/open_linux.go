package scratch

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock locks f until f is closed, unless another process has locked it.
func lock(f *os.File) (taken bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return err == unix.EWOULDBLOCK, err
}

// writable refuses a block device that takes no write: the first write would fail, too, but
// not say why.
func writable(f *os.File) error {
	if readOnly, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKROGET); err == nil && readOnly != 0 {
		return fmt.Errorf("%s is read-only: nothing was written; make it writable with blockdev --setrw, or name another", f.Name())
	}
	return HasMedia(f)
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
