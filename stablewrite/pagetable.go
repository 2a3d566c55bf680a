package stablewrite

import (
	"unsafe"

	"stablepages/crcguard"
)

// trackedPage is the page that the kernel tracks by; also a block.
const trackedPage = crcguard.BlockSize

// pageTable is what the kernel does of tracking; the exploration has a model of it.
type pageTable interface {
	// protect write-protects the pages of r: the first store to each lifts its
	// protection again, and wakes nobody. It finds those that were not protected,
	// each at the moment at which it protects it.
	protect(s *pageScan, r pageRun) error
	// unchanged finds the pages of r that are positively unchanged: present, private
	// and still protected.
	unchanged(s *pageScan, r pageRun) error
	// release lifts the protection.
	release(s *pageScan, r pageRun)
}

// pageRun is pages, by their addresses.
type pageRun struct{ lo, hi uintptr }

// runOf is the pages that p lies in.
func runOf(p []byte) pageRun {
	lo := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	return pageRun{lo &^ (trackedPage - 1), (lo + uintptr(len(p)) + trackedPage - 1) &^ (trackedPage - 1)}
}

func (r pageRun) overlaps(o pageRun) bool { return r.lo < o.hi && o.lo < r.hi }
func (r pageRun) has(o pageRun) bool      { return r.lo <= o.lo && o.hi <= r.hi }

// pageScan is one use of a pageTable after the other: arguments of system calls, which
// lie on the heap, and what was found, in order.
type pageScan struct {
	arg   pmScanArg
	undo  uffdioWriteprotect
	found []pageRegion
}

// pmScanArg is struct pm_scan_arg of include/uapi/linux/fs.h.
type pmScanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages       uint64
	categoryInverted, categoryMask, categoryAnyOfMask, returnMask uint64
}

// pageRegion is struct page_region there.
type pageRegion struct{ start, end, categories uint64 }

func (g pageRegion) run() pageRun { return pageRun{uintptr(g.start), uintptr(g.end)} }

// uffdioWriteprotect is struct uffdio_writeprotect of include/uapi/linux/userfaultfd.h.
type uffdioWriteprotect struct{ start, len, mode uint64 }
