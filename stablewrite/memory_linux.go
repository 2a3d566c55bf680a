package stablewrite

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapMemory reserves n bytes, whole pages, aligned to a huge page if they are as long.
// Their pages come by populate, or when they are first used.
func mapMemory(n int) (mem []byte, ok bool) {
	const flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE
	all, err := unix.MmapPtr(-1, 0, nil, uintptr(n+hugePage), unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil {
		return nil, false
	}
	skip := int(-uintptr(all) & (hugePage - 1))
	mem = unsafe.Slice((*byte)(unsafe.Add(all, skip)), n)
	if skip > 0 {
		_ = unix.MunmapPtr(all, uintptr(skip))
	}
	_ = unix.MunmapPtr(unsafe.Add(all, skip+n), uintptr(hugePage-skip))
	if n >= hugePage {
		adviseHuge(mem) // not with huge pages switched off
	}
	return mem, true
}

// unmapMemory undoes mapMemory.
func unmapMemory(b []byte) {
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)))
}

// adviseHuge asks for huge pages behind memory that was not used yet.
func adviseHuge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

// populate makes pages be there, in huge ones if the system has them for who asks
// (Linux 5.14; else they come when they are first used).
func populate(b []byte) { _ = unix.Madvise(b, unix.MADV_POPULATE_WRITE) }

// hugeBytes is how much of b lies in huge pages; -1 where the kernel does not tell
// (PAGEMAP_SCAN, Linux 6.7).
func hugeBytes(b []byte) (n int) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return -1
	}
	defer f.Close()
	s := new(pageScan)
	if err := s.walk(int(f.Fd()), runOf(b), 0, pageIsHuge, 0, true); err != nil {
		return -1
	}
	for _, g := range s.found {
		n += int(g.end - g.start)
	}
	return n
}
