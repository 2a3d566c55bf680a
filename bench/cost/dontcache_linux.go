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

func (d dontcache) WriteAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = unix.Pwritev2(int(d.Fd()), [][]byte{p[n:]}, off+int64(n), unix.RWF_DONTCACHE)
		if err == unix.EINTR {
			m, err = 0, nil
		}
		n += max(m, 0)
	}
	return n, err
}

// takesDontcache reports whether the kernel and the file system support RWF_DONTCACHE.
func takesDontcache(target *os.File) bool {
	f, err := scratch.OpenCached(target)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = unix.Preadv2(int(f.Fd()), [][]byte{make([]byte, 1)}, 0, unix.RWF_DONTCACHE)
	return err == nil
}
