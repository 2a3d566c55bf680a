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

// Of include/uapi/linux/fs.h.
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

// Of include/uapi/linux/userfaultfd.h.
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

// scanRegions is how many runs of pages one system call finds, at least.
const scanRegions = 64

// userfault is the userfaultfd of the process and its page table. They stay open.
type userfault struct{ fd, pagemap int }

var theUserfault struct {
	sync.Mutex
	*userfault
}

// openPageTable returns the page table of the process, or why the kernel does not
// track writes to pages.
func openPageTable() (*userfault, error) {
	theUserfault.Lock()
	defer theUserfault.Unlock()
	if theUserfault.userfault != nil {
		return theUserfault.userfault, nil
	}
	u, err := newUserfault()
	if err != nil {
		return nil, fmt.Errorf("%w: page write-tracking takes userfaultfd's asynchronous write protection and PAGEMAP_SCAN (Linux 6.7 on amd64), and %w; choose ByDigest, or the strategy bounce, which restored changes do not tear either",
			errors.ErrUnsupported, err)
	}
	theUserfault.userfault = u
	return u, nil
}

func newUserfault() (*userfault, error) {
	if size := os.Getpagesize(); size != trackedPage {
		return nil, fmt.Errorf("pages have %d bytes here, not %d", size, trackedPage)
	}
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|uffdUserModeOnly, 0, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("userfaultfd", errno)
	}
	u := &userfault{fd: int(fd), pagemap: -1}
	err := u.ioctl(uffdioAPI, unsafe.Pointer(&struct{ api, features, ioctls uint64 }{api: uffdAPI, features: uffdFeatureWPAsync}))
	if err != nil {
		err = os.NewSyscallError("UFFDIO_API", err)
	} else if u.pagemap, err = unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		err = os.NewSyscallError("open /proc/self/pagemap", err)
	} else if err = u.scan(new(pageScan), pageRun{}, 0, pageIsPresent, 0, false); err != nil {
		err = os.NewSyscallError("PAGEMAP_SCAN", err)
	}
	if err != nil {
		unix.Close(u.fd)
		unix.Close(u.pagemap)
		return nil, err
	}
	return u, nil
}

func (u *userfault) ioctl(what uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(u.fd), what, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// register has the kernel track p from now on, which is all of its pages.
func (u *userfault) register(p []byte) error {
	r := runOf(p)
	err := u.ioctl(uffdioRegister, unsafe.Pointer(&struct{ start, len, mode, ioctls uint64 }{
		uint64(r.lo), uint64(r.hi - r.lo), uffdioRegisterModeWP, 0}))
	if err != nil {
		return os.NewSyscallError("UFFDIO_REGISTER", err)
	}
	// Pages that were moved here (mremap) can look protected and be writable before
	// Linux 6.12.11 (0cef0bb836e3): stores to them would not be seen.
	if err = u.lift(new(pageScan), r); err != nil {
		err = os.NewSyscallError("UFFDIO_WRITEPROTECT", err)
	} else if err = unix.Madvise(p, unix.MADV_POPULATE_WRITE); err != nil {
		err = os.NewSyscallError("MADV_POPULATE_WRITE", err)
	} else {
		err = u.private(r)
	}
	if err != nil {
		u.unregister(r)
	}
	return err
}

// private refuses memory that others may write to unseen.
func (u *userfault) private(r pageRun) error {
	s := new(pageScan)
	err := u.scan(s, r, 0, pageIsFile, 0, true)
	if err == nil && len(s.found) > 0 {
		err = errors.New("the memory is not private and anonymous: what others write to it is not seen")
	}
	return err
}

// unregister undoes register.
func (u *userfault) unregister(r pageRun) {
	_ = u.ioctl(uffdioUnregister, unsafe.Pointer(&struct{ start, len uint64 }{uint64(r.lo), uint64(r.hi - r.lo)}))
}

// protect always has room for what it finds: without, kernels before 28aa29986dde
// (September 2025, Linux 6.17) crash where a part of a huge page is protected.
func (u *userfault) protect(s *pageScan, r pageRun) error {
	return u.scan(s, r, pmScanWPMatching|pmScanCheckWPAsync, pageIsWritten, 0, true)
}

func (u *userfault) unchanged(s *pageScan, r pageRun) error {
	return u.scan(s, r, 0, pageIsPresent|pageIsWPAllowed|pageIsWritten|pageIsFile, pageIsWritten|pageIsFile, true)
}

func (u *userfault) release(s *pageScan, r pageRun) {
	_ = u.lift(s, r) // else each page is released by the first store to it
}

// lift takes the protection from the pages of r.
func (u *userfault) lift(s *pageScan, r pageRun) error {
	s.undo = uffdioWriteprotect{start: uint64(r.lo), len: uint64(r.hi - r.lo)}
	return u.ioctl(uffdioWriteProtect, unsafe.Pointer(&s.undo))
}

func (u *userfault) scan(s *pageScan, r pageRun, flags, mask, inverted uint64, list bool) error {
	return s.walk(u.pagemap, r, flags, mask, inverted, list)
}

// walk goes over the pages of r, by a descriptor of /proc/self/pagemap: those that
// have all categories of mask, or have not those that are inverted. If list, it
// finds them. It fails, or it went over all of r.
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
		switch {
		case errno != 0:
			return errno
		case list:
			s.found = s.found[:len(s.found)+int(n)]
		}
		switch {
		case s.arg.walkEnd >= s.arg.end:
			return nil
		case s.arg.walkEnd <= s.arg.start: // a page of hugetlbfs of which r has a part
			return unix.EINVAL
		}
		s.arg.start = s.arg.walkEnd
	}
}
