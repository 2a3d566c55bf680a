package cost

import (
	"os"

	"golang.org/x/sys/unix"

	"stablepages/bench/scratch"
)

// dontcache is a file written through the page cache with RWF_DONTCACHE (Linux 6.14): the
// kernel starts to write the pages back at once, and drops them then. Kernel developers
// consider it as the fallback for direct writes that need stable pages.
type dontcache struct{ scratch.Cached }

func openDontcache(target *os.File) (dontcache, error) {
	f, err := scratch.OpenCached(target)
	return dontcache{f}, err
}

// WriteAt may write a part, or be interrupted: the File goes on.
func (d dontcache) WriteAt(p []byte, off int64) (int, error) {
	n, err := unix.Pwritev2(int(d.Fd()), [][]byte{p}, off, unix.RWF_DONTCACHE)
	return max(n, 0), err
}

// takesDontcache reports whether the kernel and the file system support RWF_DONTCACHE.
func takesDontcache(target *os.File) bool {
	_, err := unix.Preadv2(int(target.Fd()), [][]byte{make([]byte, 1)}, 0, unix.RWF_DONTCACHE)
	return err == nil
}
