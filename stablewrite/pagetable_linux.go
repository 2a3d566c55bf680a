package stablewrite

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From include/uapi/linux/fs.h.
const (
	pagemapScan = 0xc0606610 // PAGEMAP_SCAN

	pmScanWPMatching   = 1 << 0 // PM_SCAN_WP_MATCHING
	pmScanCheckWPAsync = 1 << 1 // PM_SCAN_CHECK_WPASYNC

	pageIsWPAllowed = 1 << 0 // PAGE_IS_WPALLOWED
	pageIsWritten   = 1 << 1 // PAGE_IS_WRITTEN
	pageIsFile      = 1 << 2 // PAGE_IS_FILE
	pageIsPresent   = 1 << 3 // PAGE_IS_PRESENT
	pageIsHuge      = 1 << 6 // PAGE_IS_HUGE
)

// From include/uapi/linux/userfaultfd.h.
const (
	uffdioAPI          = 0xc018aa3f // UFFDIO_API
	uffdioRegister     = 0xc020aa00 // UFFDIO_REGISTER
	uffdioUnregister   = 0x8010aa01 // UFFDIO_UNREGISTER
	uffdioWriteProtect = 0xc018aa06 // UFFDIO_WRITEPROTECT

	uffdAPI              = 0xaa
	uffdUserModeOnly     = 1       // UFFD_USER_MODE_ONLY: needs no privileges
	uffdFeatureWPAsync   = 1 << 15 // UFFD_FEATURE_WP_ASYNC
	uffdioRegisterModeWP = 1 << 1  // UFFDIO_REGISTER_MODE_WP
)

// scanRegions is the room, in runs of pages, for the results of one system call.
const scanRegions = 64

// userfault has the userfaultfd of the process and its page table. They stay open.
type userfault struct{ fd, pagemap int }

var theUserfault struct {
	sync.Mutex
	*userfault
}

// openPageTable returns the page table of the process. The error says why the kernel does
// not track writes to pages.
func openPageTable() (*userfault, error) {
	theUserfault.Lock()
	defer theUserfault.Unlock()
	if theUserfault.userfault != nil {
		return theUserfault.userfault, nil
	}
	u, err := newUserfault()
	if err != nil {
		return nil, fmt.Errorf("%w: tracking needs asynchronous write protection by userfaultfd, and PAGEMAP_SCAN (Linux 6.7 on amd64): %w; choose ByDigest, or the strategy bounce, which restored changes do not tear either",
			errors.ErrUnsupported, err)
	}
	theUserfault.userfault = u
	return u, nil
}

func newUserfault() (*userfault, error) {
	if size := os.Getpagesize(); size != trackedPage {
		return nil, fmt.Errorf("the pages of this machine have %d bytes, not %d", size, trackedPage)
	}
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|uffdUserModeOnly, 0, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("userfaultfd", errno)
	}
	u := &userfault{fd: int(fd), pagemap: -1}
	err := u.ioctl("UFFDIO_API", uffdioAPI, unsafe.Pointer(&struct{ api, features, ioctls uint64 }{api: uffdAPI, features: uffdFeatureWPAsync}))
	if err == nil {
		u.pagemap, err = unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		err = os.NewSyscallError("open /proc/self/pagemap", err)
	}
	if err == nil {
		err = os.NewSyscallError("PAGEMAP_SCAN", u.scan(new(pageScan), pageRun{}, 0, pageIsPresent, 0, false))
	}
	if err != nil {
		unix.Close(u.fd)
		unix.Close(u.pagemap)
		return nil, err
	}
	return u, nil
}

func (u *userfault) ioctl(name string, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(u.fd), request, uintptr(arg)); errno != 0 {
		return os.NewSyscallError(name, errno)
	}
	return nil
}

// register has the kernel track p, whole pages, from now on.
func (u *userfault) register(p []byte) error {
	r, s := runOf(p), new(pageScan)
	err := u.ioctl("UFFDIO_REGISTER", uffdioRegister, unsafe.Pointer(&struct{ start, len, mode, ioctls uint64 }{
		uint64(r.lo), uint64(r.hi - r.lo), uffdioRegisterModeWP, 0}))
	if err != nil {
		return err
	}
	// Before Linux 6.12.11 (0cef0bb836e3) pages that were moved here (mremap) can look
	// protected and be writable: stores to them would not be seen.
	err = u.lift(s, r)
	if err == nil {
		err = os.NewSyscallError("MADV_POPULATE_WRITE", unix.Madvise(p, unix.MADV_POPULATE_WRITE))
	}
	if err == nil {
		err = u.scan(s, r, 0, pageIsFile, 0, true)
	}
	if err == nil && len(s.found) > 0 {
		err = errors.New("the memory is not private and anonymous: stores of other processes to it are not seen")
	}
	if err != nil {
		u.unregister(r)
	}
	return err
}

// unregister undoes register.
func (u *userfault) unregister(r pageRun) {
	_ = u.ioctl("UFFDIO_UNREGISTER", uffdioUnregister, unsafe.Pointer(&struct{ start, len uint64 }{uint64(r.lo), uint64(r.hi - r.lo)}))
}

// protect always lists the pages that it finds: without a list, kernels before
// 28aa29986dde (September 2025, Linux 6.17) crash when they protect a part of a huge page.
func (u *userfault) protect(s *pageScan, r pageRun) error {
	return u.scan(s, r, pmScanWPMatching|pmScanCheckWPAsync, pageIsWritten, 0, true)
}

func (u *userfault) unchanged(s *pageScan, r pageRun) error {
	return u.scan(s, r, 0, pageIsPresent|pageIsWPAllowed|pageIsWritten|pageIsFile, pageIsWritten|pageIsFile, true)
}

func (u *userfault) release(s *pageScan, r pageRun) {
	_ = u.lift(s, r) // if it fails, the first store to each page lifts its protection
}

// lift lifts the protection of the pages of r.
func (u *userfault) lift(s *pageScan, r pageRun) error {
	s.undo.start, s.undo.len = uint64(r.lo), uint64(r.hi-r.lo)
	return u.ioctl("UFFDIO_WRITEPROTECT", uffdioWriteProtect, unsafe.Pointer(&s.undo))
}

func (u *userfault) scan(s *pageScan, r pageRun, flags, mask, inverted uint64, list bool) error {
	return s.walk(u.pagemap, r, flags, mask, inverted, list)
}

// walk goes over the pages of r, by a descriptor of /proc/self/pagemap. They match if they
// have all categories of mask, except that they lack those in inverted. If list is set,
// walk stores the runs that match in found. Unless it fails, it went over all of r.
func (s *pageScan) walk(pagemap int, r pageRun, flags, mask, inverted uint64, list bool) error {
	s.found = s.found[:0]
	s.arg = pmScanArg{
		size: uint64(unsafe.Sizeof(s.arg)), flags: flags, start: uint64(r.lo), end: uint64(r.hi),
		categoryMask: mask, categoryInverted: inverted, returnMask: mask &^ inverted,
	}
	for {
		if list {
			s.found = slices.Grow(s.found, scanRegions)
			room := s.found[len(s.found):cap(s.found)]
			s.arg.vec, s.arg.vecLen = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(room)))), uint64(len(room))
		}
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(pagemap), pagemapScan, uintptr(unsafe.Pointer(&s.arg)))
		if errno != 0 {
			return errno
		}
		if list {
			s.found = s.found[:len(s.found)+int(n)]
		}
		switch {
		case s.arg.walkEnd >= s.arg.end:
			return nil
		case s.arg.walkEnd <= s.arg.start: // r has only a part of a page of hugetlbfs
			return unix.EINVAL
		}
		s.arg.start = s.arg.walkEnd
	}
}
