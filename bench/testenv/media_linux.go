package testenv

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// Media returns the bytes of a file that are on the media. It syncs the file, drops it
// from the page cache, and reads it with O_DIRECT through another descriptor.
func Media(tb testing.TB, name string) []byte {
	tb.Helper()
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := errors.Join(unix.Fsync(fd), unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED), unix.Fstat(fd, &st)); err != nil {
		tb.Fatalf("drop %s from the page cache: %v", name, err)
	}
	if st.Size == 0 {
		return nil
	}
	// The memory is aligned, and has room for a last block that is not whole.
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
