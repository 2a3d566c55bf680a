package guard

import "golang.org/x/sys/unix"

const (
	x32        = 0x40000000 // __X32_SYSCALL_BIT
	nativeArch = unix.AUDIT_ARCH_X86_64
	largeFile  = 0o100000 // O_LARGEFILE, which package unix has as 0
)

var (
	native = numbers{
		arch:  nativeArch,
		opens: []call{{unix.SYS_OPEN, 1}, {unix.SYS_OPENAT, 2}, {unix.SYS_OPEN_BY_HANDLE_AT, 2}}, fcntls: []uint32{unix.SYS_FCNTL}, openat2: unix.SYS_OPENAT2,
	}
	// arch/x86/entry/syscalls/syscall_32.tbl
	compat = numbers{
		arch:  unix.AUDIT_ARCH_I386,
		opens: []call{{5, 1}, {295, 2}, {342, 2}}, fcntls: []uint32{55, 221}, openat2: 437,
	}
)

// argument is an argument of the system call in r.
func argument(r *unix.PtraceRegs, i uint32) *uint64 {
	return [...]*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10}[i]
}

func result(r *unix.PtraceRegs) int64 { return int64(r.Rax) }

// number is the number of the system call at whose start a thread is stopped.
func number(_ int, r *unix.PtraceRegs) (uint32, error) { return uint32(r.Orig_rax), nil }

// setNumber changes that number. When the call has ended, it sets which call is repeated
// if a signal interrupted it.
func setNumber(_ int, r *unix.PtraceRegs, nr int64) error {
	r.Orig_rax = uint64(nr)
	return nil
}
