package stablewrite

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapMemory maps n bytes, a power of two and at least a block, aligned to a huge
// page or to their size. Their pages are there when it returns: in huge ones if
// the system has them for who asks (Linux 5.14; else when they are first used).
func mapMemory(n int) (mem []byte, ok bool) {
	align := min(n, hugePage)
	b, err := unix.MmapPtr(-1, 0, nil, uintptr(n+align), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, false
	}
	all := unsafe.Slice((*byte)(b), n+align)
	skip := int(-uintptr(b) & uintptr(align-1))
	if skip > 0 {
		_ = unix.MunmapPtr(b, uintptr(skip))
	}
	if rest := align - skip; rest > 0 {
		_ = unix.MunmapPtr(unsafe.Pointer(&all[skip+n]), uintptr(rest))
	}
	mem = all[skip : skip+n : skip+n]
	if n >= hugePage {
		_ = unix.Madvise(mem, unix.MADV_HUGEPAGE) // not with huge pages switched off
	}
	_ = unix.Madvise(mem, unix.MADV_POPULATE_WRITE)
	return mem, true
}

// unmapMemory undoes mapMemory.
func unmapMemory(b []byte) {
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)))
}

// adviseHuge asks for huge pages behind memory that was not used yet.
func adviseHuge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

// pmScanArg is struct pm_scan_arg of include/uapi/linux/fs.h.
type pmScanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages       uint64
	categoryInverted, categoryMask, categoryAnyOfMask, returnMask uint64
}

// pageRegion is struct page_region there.
type pageRegion struct{ start, end, categories uint64 }

const (
	pagemapScan = 0xc0606610 // PAGEMAP_SCAN
	pageIsHuge  = 1 << 6     // PAGE_IS_HUGE
)

// hugeBytes is how much of b lies in huge pages; -1 where the kernel does not tell
// (PAGEMAP_SCAN, Linux 6.7).
func hugeBytes(b []byte) (n int) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return -1
	}
	defer f.Close()
	regions := make([]pageRegion, 64)
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	arg := pmScanArg{start: start, end: start + uint64(len(b)), categoryMask: pageIsHuge, returnMask: pageIsHuge}
	arg.size = uint64(unsafe.Sizeof(arg))
	arg.vec, arg.vecLen = uint64(uintptr(unsafe.Pointer(&regions[0]))), uint64(len(regions))
	got, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), pagemapScan, uintptr(unsafe.Pointer(&arg)))
	if errno != 0 {
		return -1
	}
	for _, r := range regions[:got] {
		n += int(r.end - r.start)
	}
	return n
}
