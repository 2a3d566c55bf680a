//go:build amd64 || arm64

package guard

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is a system call whose flags are its argument number arg.
type call struct {
	nr  uint32
	arg uint32
}

// numbers are the system calls of one architecture that can set O_DIRECT. (creat
// cannot.) openat2 has its flags in memory.
type numbers struct {
	arch    uint32 // AUDIT_ARCH_*
	opens   []call
	fcntls  []uint32
	openat2 uint32
}

// Offsets into struct seccomp_data: nr, arch, an instruction pointer, and arguments
// of 64 bits, of which the low half comes first.
const (
	nrAt   = 0
	archAt = 4
	argsAt = 16
)

// filter is a seccomp filter that stops at calls which could set O_DIRECT. Where
// nobody traces, these calls fail with ENOSYS. On the other architecture that the
// processor may run, where nobody follows them, they do always.
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
	of := func(n numbers, action uint32) (f []unix.SockFilter) {
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
	// Numbers from x32 on are those of another way to call a 64-bit kernel.
	native := append([]unix.SockFilter{load(nrAt), jump(unix.BPF_JGE, x32, 0, 1), end(enosys)}, of(native, unix.SECCOMP_RET_TRACE)...)
	f := []unix.SockFilter{load(archAt), jump(unix.BPF_JEQ, nativeArch, 0, len(native))}
	f = append(f, native...)
	other := of(compat, enosys)
	f = append(f, jump(unix.BPF_JEQ, compat.arch, 0, len(other)))
	f = append(f, other...)
	return append(f, end(enosys))
}

// install installs a filter on this thread, for what it becomes and starts.
func install(f []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	try := func() unix.Errno {
		// SPEC_ALLOW: kernels before 5.16 would slow all of the program down, by
		// mitigations that a filter against hostile code needs.
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, uintptr(unsafe.Pointer(&prog)))
		return errno
	}
	errno := try()
	if errno == unix.EACCES { // without CAP_SYS_ADMIN the kernel asks for this first
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
