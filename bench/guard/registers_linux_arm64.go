package guard

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	x32        = 0x80000000 // no such numbers
	nativeArch = unix.AUDIT_ARCH_AARCH64
	largeFile  = 0o400000 // O_LARGEFILE, which package unix has as 0
)

var (
	native = numbers{
		arch:  nativeArch,
		opens: []call{{unix.SYS_OPENAT, 2}, {unix.SYS_OPEN_BY_HANDLE_AT, 2}}, fcntls: []uint32{unix.SYS_FCNTL}, openat2: unix.SYS_OPENAT2,
	}
	// arch/arm/tools/syscall.tbl
	compat = numbers{
		arch:  unix.AUDIT_ARCH_ARM,
		opens: []call{{5, 1}, {322, 2}, {371, 2}}, fcntls: []uint32{55, 221}, openat2: 437,
	}
)

// argument is an argument of the system call in r. When the call returns its first
// argument is lost.
func argument(r *unix.PtraceRegs, i uint32) *uint64 { return &r.Regs[i] }

func result(r *unix.PtraceRegs) int64 { return int64(r.Regs[0]) }

// number is the number of the system call at whose start a thread is stopped.
func number(tid int, _ *unix.PtraceRegs) (nr uint32, err error) {
	return nr, systemCall(unix.PTRACE_GETREGSET, tid, &nr)
}

// setNumber changes that number. A call that is repeated because a signal interrupted it
// takes its number from x8, which does not change.
func setNumber(tid int, _ *unix.PtraceRegs, nr int64) error {
	n := uint32(nr)
	return systemCall(unix.PTRACE_SETREGSET, tid, &n)
}

func systemCall(request, tid int, nr *uint32) error {
	iov := unix.Iovec{Base: (*byte)(unsafe.Pointer(nr)), Len: 4}
	return ptrace(request, tid, unix.NT_ARM_SYSTEM_CALL, uintptr(unsafe.Pointer(&iov)))
}
