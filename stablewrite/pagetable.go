package stablewrite

import (
	"unsafe"

	"stablepages/crcguard"
)

// trackedPage is the size of the pages that the kernel tracks, and of a block.
const trackedPage = crcguard.BlockSize

// pageTable is the kernel's part of tracking. The explorer has a model of it.
type pageTable interface {
	// protect write-protects the pages of r. The first store to a page lifts its
	// protection, without a signal or a message. protect finds the pages that were not
	// protected, each at the moment at which it protects it.
	protect(s *pageScan, r pageRun) error
	// unchanged finds the pages of r that are positively unchanged: present, private
	// and still protected.
	unchanged(s *pageScan, r pageRun) error
	// release lifts the protection.
	release(s *pageScan, r pageRun)
}

// pageRun is a run of pages, by address.
type pageRun struct{ lo, hi uintptr }

// runOf returns the pages that p lies in.
func runOf(p []byte) pageRun {
	lo := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	return pageRun{lo &^ (trackedPage - 1), (lo + uintptr(len(p)) + trackedPage - 1) &^ (trackedPage - 1)}
}

func (r pageRun) overlaps(o pageRun) bool { return r.lo < o.hi && o.lo < r.hi }
func (r pageRun) has(o pageRun) bool      { return r.lo <= o.lo && o.hi <= r.hi }

// pageScan is reused for calls of a pageTable, one after the other. It has the arguments
// of system calls, on the heap, and the pages that were found, in order.
type pageScan struct {
	arg   pmScanArg
	undo  struct{ start, len, mode uint64 } // struct uffdio_writeprotect of include/uapi/linux/userfaultfd.h
	found []pageRegion
}

// pmScanArg is struct pm_scan_arg of include/uapi/linux/fs.h.
type pmScanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages       uint64
	categoryInverted, categoryMask, categoryAnyOfMask, returnMask uint64
}

// pageRegion is struct page_region of include/uapi/linux/fs.h.
type pageRegion struct{ start, end, categories uint64 }

func (g pageRegion) run() pageRun { return pageRun{uintptr(g.start), uintptr(g.end)} }
