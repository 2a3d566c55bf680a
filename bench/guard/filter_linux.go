//go:build amd64 || arm64

package guard

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is a system call and the index of the argument with its flags.
type call struct{ nr, arg uint32 }

// numbers are the system calls of an architecture that can set O_DIRECT. (creat
// cannot.) The flags of openat2 are in memory.
type numbers struct {
	arch    uint32 // AUDIT_ARCH_*
	opens   []call
	fcntls  []uint32
	openat2 uint32
}

// Offsets into struct seccomp_data. Arguments have 64 bits, the low half first.
const (
	nrAt   = 0
	archAt = 4
	argsAt = 16
)

// filter returns a seccomp filter that stops at calls that could set O_DIRECT. Without
// a tracer these calls fail with ENOSYS. On the second architecture that the processor
// may run, which the guard does not trace, they always do.
func filter() []unix.SockFilter {
	const enosys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	jump := func(test uint16, k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, K: k, Jt: uint8(yes), Jf: uint8(no)}
	}
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	end := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	check := func(n numbers, action uint32) (f []unix.SockFilter) {
		f = append(f, load(nrAt))
		for _, c := range n.opens {
			f = append(f, jump(unix.BPF_JEQ, c.nr, 0, 4),
				load(argsAt+8*c.arg), jump(unix.BPF_JSET, unix.O_DIRECT, 0, 1), end(action), end(unix.SECCOMP_RET_ALLOW))
		}
		for _, nr := range n.fcntls {
			f = append(f, jump(unix.BPF_JEQ, nr, 0, 6),
				load(argsAt+8*1), jump(unix.BPF_JEQ, unix.F_SETFL, 0, 3),
				load(argsAt+8*2), jump(unix.BPF_JSET, unix.O_DIRECT, 0, 1), end(action), end(unix.SECCOMP_RET_ALLOW))
		}
		f = append(f, jump(unix.BPF_JEQ, n.openat2, 0, 1), end(action))
		return append(f, end(unix.SECCOMP_RET_ALLOW))
	}
	// Numbers from x32 on are calls of the x32 ABI of a 64-bit kernel.
	native := append([]unix.SockFilter{load(nrAt), jump(unix.BPF_JGE, x32, 0, 1), end(enosys)}, check(native, unix.SECCOMP_RET_TRACE)...)
	f := []unix.SockFilter{load(archAt), jump(unix.BPF_JEQ, nativeArch, 0, len(native))}
	f = append(f, native...)
	other := check(compat, enosys)
	f = append(f, jump(unix.BPF_JEQ, compat.arch, 0, len(other)))
	f = append(f, other...)
	return append(f, end(enosys))
}

// install installs a filter on this thread. What the thread becomes and starts inherits
// it.
func install(f []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	try := func() unix.Errno {
		// Without SPEC_ALLOW, kernels before 5.16 turn on mitigations against hostile
		// code, which slow the program down.
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, uintptr(unsafe.Pointer(&prog)))
		return errno
	}
	errno := try()
	if errno == unix.EACCES { // without CAP_SYS_ADMIN the kernel requires no_new_privs
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
		errno = try()
	}
	if errno != 0 {
		return fmt.Errorf("this kernel, or the container, takes no seccomp filter: %w", errno)
	}
	return nil
}
