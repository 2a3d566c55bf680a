package kernel

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"stablepages/bench/scratch"
)

// NewDisk makes a disk of a machine: a file in dir that has no name. Where the file system
// allows it, the disk has its room, so that it is never full before the guest fills it.
func NewDisk(dir string, size int64) (*os.File, error) {
	f, err := scratch.Temporary(dir)
	if err != nil {
		return nil, err
	}
	if err = unix.Fallocate(int(f.Fd()), 0, 0, size); err == unix.EOPNOTSUPP {
		err = f.Truncate(size)
	}
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.ENOSPC) {
		err = fmt.Errorf("no room for a disk of %d MiB in %s: make room, or name another directory: %w", size>>20, dir, err)
	}
	return nil, err
}
