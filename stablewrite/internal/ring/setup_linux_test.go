package ring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

var refusals = []unix.Errno{unix.EPERM, unix.ENOSYS, unix.ENOMEM, unix.EMFILE}

func TestRefusedSetupIsAnError(t *testing.T) {
	for _, errno := range refusals {
		for _, before := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s after %d rings", unix.ErrnoName(errno), before), func(t *testing.T) {
				rings := 0
				k := linux
				k.setup = func(entries uint32, p *params) (int, unix.Errno) {
					if rings == before {
						return -1, errno
					}
					rings++
					return linux.setup(entries, p)
				}
				for range before {
					defer submitAndReap(t, openWith(t, 4, k), 20, 4) // the earlier ring still works
				}
				if r, err := newRing(4, k); r != nil || !errors.Is(err, errno) {
					t.Errorf("a ring %v, error %v, want %v", r, err, errno)
				}
			})
		}
	}
}

func TestNumberOfEntriesThatNoRingHas(t *testing.T) {
	open(t, 1)
	sizes := []int{0, -1, math.MinInt, 1 << 20, math.MaxInt}
	if beyond := uint64(1<<32 + 1); strconv.IntSize == 64 {
		sizes = append(sizes, int(beyond)) // the kernel reads 32 bits, which would be 1
	}
	for _, entries := range sizes {
		if r, err := New(entries); r != nil || !errors.Is(err, unix.EINVAL) {
			t.Errorf("%d entries: ring %v, error %v, want EINVAL", entries, r, err)
		}
	}
}

func TestNewThatFailsLeavesNoDescriptor(t *testing.T) {
	const all = featSingleMmap | featNoDrop | featNativeWorkers
	for _, tt := range []struct {
		name     string
		features uint32
		want     error
	}{
		{"before Linux 5.12", all &^ featNativeWorkers, errors.ErrUnsupported},
		{"before Linux 5.5", all &^ featNoDrop, errors.ErrUnsupported},
		{"before Linux 5.4", all &^ featSingleMmap, errors.ErrUnsupported},
		{"queues that cannot be mapped", all, unix.ENODEV},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var opened int
			r, err := newRing(1, kernel{setup: func(_ uint32, p *params) (int, unix.Errno) {
				p.features, p.sqEntries, p.cqEntries = tt.features, 1, 2
				fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
				must(t, err)
				opened = fd
				return fd, 0
			}})
			if r != nil || !errors.Is(err, tt.want) {
				t.Errorf("ring %v, error %v, want %v", r, err, tt.want)
			}
			if _, err := unix.FcntlInt(uintptr(opened), unix.F_GETFD, 0); err != unix.EBADF {
				t.Errorf("its descriptor: %v, want EBADF", err)
			}
		})
	}
}

func TestKernelThatRefusesSetup(t *testing.T) {
	limit(t)
	for _, errno := range refusals {
		for _, before := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s after %d rings", unix.ErrnoName(errno), before), func(t *testing.T) {
				runChild(t, "refused set-up", strconv.Itoa(int(errno)), strconv.Itoa(before))
			})
		}
	}
}

func TestNoDescriptorToBeHad(t *testing.T) {
	limit(t)
	for _, before := range []int{0, 1} {
		runChild(t, "no descriptors", strconv.Itoa(before))
	}
}

// refused requires that New fails with errno and that the rings made before work.
func refused(errno unix.Errno, before []*Ring) error {
	if r, err := New(8); r != nil || !errors.Is(err, errno) {
		return fmt.Errorf("ring %v, error %v, want %v", r, err, errno)
	}
	for _, r := range before {
		if err := errors.Join(r.Nop(1), r.Wait()); err != nil {
			return err
		}
		if tag, _, ok := r.Reap(); !ok || tag != 1 {
			return fmt.Errorf("the ring before: tag %d, %v", tag, ok)
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
	return nil
}

// madeBefore makes as many rings as arg says.
func madeBefore(arg string) (rings []*Ring, err error) {
	n, err := strconv.Atoi(arg)
	for range n {
		r, err := New(8)
		if err != nil {
			return nil, fmt.Errorf("%w: io_uring: %w", errMissing, err)
		}
		rings = append(rings, r)
	}
	return rings, err
}

func childRefusedSetup(args []string) error {
	before, err := madeBefore(args[1])
	if err != nil {
		return err
	}
	errno, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := filter(unix.SYS_IO_URING_SETUP, unix.Errno(errno)); err != nil {
		return err
	}
	return refused(unix.Errno(errno), before)
}

func childNoDescriptors(args []string) error {
	before, err := madeBefore(args[0])
	if err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{}); err != nil {
		return err
	}
	return refused(unix.EMFILE, before)
}

func TestKernelThatRefusesToBeEntered(t *testing.T) {
	limit(t)
	for _, errno := range []unix.Errno{unix.EPERM, unix.EAGAIN, unix.EBUSY} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) { runChild(t, "refused enter", strconv.Itoa(int(errno))) })
	}
}

func childRefusedEnter(args []string) error {
	rings, err := madeBefore("1")
	if err != nil {
		return err
	}
	errno, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := filter(unix.SYS_IO_URING_ENTER, unix.Errno(errno)); err != nil {
		return err
	}
	r := rings[0]
	for range 20 {
		if err := r.Nop(1); !errors.Is(err, unix.Errno(errno)) {
			return fmt.Errorf("submitted: %v, want %v", err, unix.Errno(errno))
		}
	}
	if err := r.Wait(); !errors.Is(err, unix.Errno(errno)) {
		return fmt.Errorf("Wait: %v, want %v", err, unix.Errno(errno))
	}
	return r.Close()
}

// filter makes a system call fail with errno in this process from now on.
func filter(call uint32, errno unix.Errno) error {
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr, include/uapi/linux/seccomp.h
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("%w: PR_SET_NO_NEW_PRIVS: %w", errMissing, err)
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if e != 0 {
		return fmt.Errorf("%w: seccomp filters: %w", errMissing, e)
	}
	return nil
}

// ringDescriptors are the descriptors of this process that are rings.
func ringDescriptors() (names []string, err error) {
	all, err := filepath.Glob("/proc/self/fd/*")
	for _, name := range all {
		if target, err := os.Readlink(name); err == nil && strings.Contains(target, "io_uring") {
			names = append(names, name)
		}
	}
	return names, err
}

func TestChildInheritsNoRing(t *testing.T) {
	for _, entries := range []int{1, 32} {
		open(t, entries)
	}
	names, err := ringDescriptors()
	if must(t, err); len(names) != 2 {
		t.Errorf("rings here are %v, want two", names)
	}
	runChild(t, "descriptors")
}

func childDescriptors([]string) error {
	names, err := ringDescriptors()
	if len(names) > 0 {
		return fmt.Errorf("the child has rings: %v", names)
	}
	return err
}
