package stablewrite

import (
	"os"
	"runtime"
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
	const pagemapScan, isHuge = 0xc0606610, 1 << 6 // PAGEMAP_SCAN, PAGE_IS_HUGE of include/uapi/linux/fs.h
	// struct pm_scan_arg there: size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted,
	// category_mask, category_anyof_mask, return_mask; vec is of struct page_region: start, end, categories.
	regions := new([64][3]uint64)
	var pinned runtime.Pinner
	pinned.Pin(regions)
	defer pinned.Unpin()
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	for at, end := start, start+uint64(len(b)); at < end; {
		arg := [12]uint64{0: 96, 2: at, 3: end, 5: uint64(uintptr(unsafe.Pointer(regions))), 6: uint64(len(regions)), 9: isHuge, 11: isHuge}
		got, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), pagemapScan, uintptr(unsafe.Pointer(&arg)))
		if errno != 0 {
			return -1
		}
		for _, r := range regions[:got] {
			n += int(r[1] - r[0])
		}
		at = arg[4]
	}
	return n
}
