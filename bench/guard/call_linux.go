//go:build amd64 || arm64

package guard

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
)

// enter takes O_DIRECT away from the call at whose start thread tid is stopped. It reports
// whether leave must be called when the call returns.
func (t *tracer) enter(tid int) bool {
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &regs) != nil {
		return false
	}
	nr, err := number(tid, &regs)
	if err != nil {
		return false
	}
	before := regs
	switch i := slices.IndexFunc(native.opens, func(c call) bool { return c.nr == nr }); {
	case i >= 0:
		flags := argument(&regs, native.opens[i].arg)
		if *flags&unix.O_PATH != 0 {
			return false // nothing is opened for I/O
		}
		*flags &^= unix.O_DIRECT
	case slices.Contains(native.fcntls, nr):
		if !direct(descriptor(tid, int(*argument(&regs, 0)))) {
			return false
		}
		*argument(&regs, 2) &^= unix.O_DIRECT
	case nr == native.openat2:
		how, plain, err := readHow(tid, &regs)
		if err != nil || how.Flags&unix.O_DIRECT == 0 || how.Flags&unix.O_PATH != 0 {
			return false // the kernel refuses it, or it has no O_DIRECT to lose
		}
		if !plain || setNumber(tid, &regs, unix.SYS_OPENAT) != nil {
			t.refuse(tid, &regs)
			return false
		}
		*argument(&regs, 2), *argument(&regs, 3) = how.Flags&^unix.O_DIRECT, how.Mode
	default: // a filter of the program stopped the call, for another tracer
		t.refuse(tid, &regs)
		return false
	}
	if unix.PtraceSetRegs(tid, &regs) != nil {
		return false
	}
	t.inCall[tid] = before
	return true
}

// refuse makes a call fail with ENOSYS, by an invalid call number.
func (t *tracer) refuse(tid int, regs *unix.PtraceRegs) {
	if setNumber(tid, regs, -1) == nil && unix.PtraceSetRegs(tid, regs) == nil {
		t.count(tid, "", record.Guard{Refused: 1})
	}
}

// leave restores the registers that enter changed: the kernel keeps the registers of
// arguments, so a program may rely on them, and repeats an interrupted call with them.
func (t *tracer) leave(tid int) {
	before, ok := t.inCall[tid]
	var regs unix.PtraceRegs
	if delete(t.inCall, tid); !ok || unix.PtraceGetRegs(tid, &regs) != nil {
		return
	}
	for i := uint32(1); i <= 3; i++ {
		*argument(&regs, i) = *argument(&before, i)
	}
	nr, err := number(tid, &before)
	if err == nil {
		setNumber(tid, &regs, int64(nr))
	}
	unix.PtraceSetRegs(tid, &regs)
	fd := result(&regs)
	if fd < 0 {
		return
	}
	if slices.Contains(native.fcntls, nr) {
		fd = int64(*argument(&before, 0))
	}
	t.count(tid, readLink(descriptor(tid, int(fd))), record.Guard{Opens: 1})
}

// readHow reads the struct open_how of a call of openat2. plain reports whether openat
// can express the call.
func readHow(tid int, regs *unix.PtraceRegs) (how unix.OpenHow, plain bool, err error) {
	b := (*[unix.SizeofOpenHow]byte)(unsafe.Pointer(&how))
	local := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	remote := unix.RemoteIovec{Base: uintptr(*argument(regs, 2)), Len: len(b)}
	n, err := unix.ProcessVMReadv(tid, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
	if err == nil && n < len(b) {
		err = unix.EFAULT
	}
	const known = largeFile | unix.O_ACCMODE | unix.O_CREAT | unix.O_EXCL | unix.O_NOCTTY | unix.O_TRUNC | unix.O_APPEND |
		unix.O_NONBLOCK | unix.O_SYNC | unix.O_ASYNC | unix.O_DIRECT | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NOATIME |
		unix.O_CLOEXEC | unix.O_TMPFILE
	makes := how.Flags&(unix.O_CREAT|unix.O_TMPFILE&^unix.O_DIRECTORY) != 0
	plain = how.Resolve == 0 && *argument(regs, 3) == uint64(len(b)) && how.Flags&^known == 0 && (how.Mode == 0 || makes && how.Mode&^0o7777 == 0)
	return how, plain, err
}
