package stablewrite

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
)

// onSignal sends a signal whose handler adds 1 to *p. The kernel calls the handler;
// package os/signal would run its own on a goroutine. The handler is machine code, as
// the kernel cannot call a Go function without the runtime's own handler.
func onSignal(t *testing.T, p *byte) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		testenv.Missing(t, "amd64, for the machine code of a handler")
	}
	const size = 1 << 12
	code, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	mustDo(t, err)
	defer unix.Munmap(code)
	at := uintptr(unsafe.Pointer(p))
	handler := append(code[:0], 0x48, 0xb8) // mov $p, %rax
	for shift := 0; shift < 64; shift += 8 {
		handler = append(handler, byte(at>>shift))
	}
	handler = append(handler, 0xfe, 0x00, 0xc3)      // incb (%rax); ret
	restorer := append(handler[len(handler):], 0xb8, // mov $SYS_rt_sigreturn, %eax; syscall
		unix.SYS_RT_SIGRETURN, 0, 0, 0, 0x0f, 0x05)
	mustDo(t, unix.Mprotect(code, unix.PROT_READ|unix.PROT_EXEC))

	// struct sigaction of arch/x86/include/uapi/asm/signal.h. Threads of Go have a stack
	// for handlers, SA_ONSTACK.
	type sigaction struct{ handler, flags, restorer, mask uintptr }
	const sig, saOnStack, saRestorer = unix.SIGUSR2, 0x08000000, 0x04000000
	now, was := &sigaction{
		handler: uintptr(unsafe.Pointer(&handler[0])), flags: saOnStack | saRestorer,
		restorer: uintptr(unsafe.Pointer(&restorer[0])),
	}, new(sigaction)
	set := func(a, old *sigaction) {
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(a.mask), 0, 0); errno != 0 {
			t.Error(errno)
		}
	}
	set(now, was)
	defer set(was, nil)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := *p
	mustDo(t, unix.Tgkill(os.Getpid(), unix.Gettid(), sig)) // has been handled when it returns
	if *p != before+1 {
		t.Error("the handler did not run")
	}
}
