package testenv

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// Media returns what the media hold of a file: written out and dropped from the
// page cache, then read with O_DIRECT through a descriptor of its own.
func Media(tb testing.TB, name string) []byte {
	tb.Helper()
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fsync(fd); err != nil {
		tb.Fatalf("sync %s: %v", name, err)
	}
	if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
		tb.Fatalf("drop %s from the page cache: %v", name, err)
	}
	if err := unix.Fstat(fd, &st); err != nil {
		tb.Fatal(err)
	}
	if st.Size == 0 {
		return nil
	}
	// Memory of mmap is aligned; its length takes a last block that is not whole.
	p, err := unix.Mmap(-1, 0, (int(st.Size)+4095)&^4095, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		tb.Fatal(err)
	}
	defer unix.Munmap(p)
	for n := 0; n < int(st.Size); {
		got, err := unix.Pread(fd, p[n:], int64(n))
		if got <= 0 {
			tb.Fatalf("read %s at %d of %d: %v", name, n, st.Size, err)
		}
		n += got
	}
	return bytes.Clone(p[:st.Size])
}
