//go:build amd64 || arm64

package guard

import (
	"encoding/binary"
	"slices"

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
		flags, mode, plain, err := readHow(tid, &regs)
		if err != nil || flags&unix.O_DIRECT == 0 || flags&unix.O_PATH != 0 {
			return false // the kernel refuses it, or it has no O_DIRECT to lose
		}
		if !plain || setNumber(tid, &regs, unix.SYS_OPENAT) != nil {
			t.refuse(tid, &regs)
			return false
		}
		*argument(&regs, 2), *argument(&regs, 3) = flags&^unix.O_DIRECT, mode
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
func readHow(tid int, regs *unix.PtraceRegs) (flags, mode uint64, plain bool, err error) {
	b := make([]byte, unix.SizeofOpenHow)
	local := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	remote := unix.RemoteIovec{Base: uintptr(*argument(regs, 2)), Len: len(b)}
	n, err := unix.ProcessVMReadv(tid, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
	if err == nil && n < len(b) {
		err = unix.EFAULT
	}
	var resolve uint64
	for i, field := range []*uint64{&flags, &mode, &resolve} {
		*field = binary.NativeEndian.Uint64(b[8*i:])
	}
	const known = largeFile | unix.O_ACCMODE | unix.O_CREAT | unix.O_EXCL | unix.O_NOCTTY | unix.O_TRUNC | unix.O_APPEND |
		unix.O_NONBLOCK | unix.O_SYNC | unix.O_ASYNC | unix.O_DIRECT | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NOATIME |
		unix.O_CLOEXEC | unix.O_TMPFILE
	makes := flags&(unix.O_CREAT|unix.O_TMPFILE&^unix.O_DIRECTORY) != 0
	plain = resolve == 0 && *argument(regs, 3) == uint64(len(b)) && flags&^known == 0 && (mode == 0 || makes && mode&^0o7777 == 0)
	return flags, mode, plain, err
}
