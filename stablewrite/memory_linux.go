package stablewrite

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapMemory maps n bytes: a huge page, aligned, or less. It populates them, with a huge
// page if the system grants one (before Linux 5.14 pages come at first use).
func mapMemory(n int) (mem []byte, ok bool) {
	const flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	spare := 0
	if n == hugePage {
		spare = hugePage
	}
	all, err := unix.MmapPtr(-1, 0, nil, uintptr(n+spare), unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil {
		return nil, false
	}
	skip := 0
	if spare > 0 {
		if skip = int(-uintptr(all) & (hugePage - 1)); skip > 0 {
			_ = unix.MunmapPtr(all, uintptr(skip))
		}
		_ = unix.MunmapPtr(unsafe.Add(all, skip+n), uintptr(spare-skip))
	}
	mem = unsafe.Slice((*byte)(unsafe.Add(all, skip)), n)
	if spare > 0 {
		adviseHuge(mem) // fails if huge pages are switched off
	}
	_ = unix.Madvise(mem, unix.MADV_POPULATE_WRITE)
	return mem, true
}

// unmapMemory undoes mapMemory.
func unmapMemory(b []byte) {
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)))
}

// adviseHuge asks for huge pages for memory that was not used yet.
func adviseHuge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

// hugeBytes returns how many bytes lie in huge pages, or -1 if the kernel does not tell
// (PAGEMAP_SCAN, Linux 6.7).
func hugeBytes(all ...[]byte) (n int) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return -1
	}
	defer f.Close()
	s := new(pageScan)
	for _, b := range all {
		if err := s.walk(int(f.Fd()), runOf(b), 0, pageIsHuge, 0, true); err != nil {
			return -1
		}
		for _, g := range s.found {
			n += int(g.end - g.start)
		}
	}
	return n
}
