package cost

import "golang.org/x/sys/unix"

// mapPages maps n bytes in huge pages, as far as the system has them, or in small pages.
func mapPages(n int, huge bool) (p []byte, unmap func(), err error) {
	const hugePage = 2 << 20
	all, err := unix.Mmap(-1, 0, n+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, err
	}
	advice := unix.MADV_NOHUGEPAGE
	if huge {
		advice = unix.MADV_HUGEPAGE
	}
	_ = unix.Madvise(all, advice) // fails on a kernel without huge pages
	p = all[int(-address(all)%hugePage):][:n:n]
	return p, func() { _ = unix.Munmap(all) }, nil
}
