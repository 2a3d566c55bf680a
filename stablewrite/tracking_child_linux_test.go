package stablewrite

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
)

// trackingChildren are the functions that this program runs when a test below starts it
// again, by the name in trackingEnv. If one returns an error, the program prints it and
// exits with 1.
var trackingChildren = map[string]func() error{
	"without userfaultfd": func() error { return childWithout(unix.SYS_USERFAULTFD) },
	"unprivileged":        childTracks,
	"descriptors":         childDescriptors,
}

const trackingEnv = "STABLEWRITE_TEST_TRACKING"

func init() {
	name, child := os.LookupEnv(trackingEnv)
	if !child {
		return
	}
	if err := trackingChildren[name](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func trackingChild(t *testing.T, name string, attr *syscall.SysProcAttr) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe") // other users may not execute it in its place
	if err != nil {
		t.Fatal(err)
	}
	dir := testenv.DirectDir(t)
	mustDo(t, os.Chmod(dir, 0o777))
	exe := filepath.Join(dir, "child")
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Dir, cmd.SysProcAttr, cmd.Env = dir, attr, append(os.Environ(), trackingEnv+"="+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// On a kernel that does not track, opening a File by tracking fails with an error that
// names the alternatives. Files with other Detections open.
func TestOpenWithoutTracking(t *testing.T) {
	trackingChild(t, "without userfaultfd", nil)
}

// childWithout runs with a system call forbidden, as in many containers.
func childWithout(call uint32) error {
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr, include/uapi/linux/seccomp.h
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	_, buffer := TrackedBuffer(kib4)
	_, file := Create("f", tracks)
	for what, err := range map[string]error{"a buffer": buffer, "a file": file} {
		if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "Linux 6.7") || !strings.Contains(err.Error(), "bounce") {
			return fmt.Errorf("%s: %v", what, err)
		}
	}
	if _, err := os.Stat("f"); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("a file that could not be opened was made: %v", err)
	}
	for _, o := range []Options{{}, {DetectBy: BySum}, {Strategy: Bounce, DetectBy: ByTracking}} {
		f, err := Create("f", o)
		if err != nil {
			return fmt.Errorf("%+v: %w", o, err)
		}
		f.Close()
	}
	return nil
}

// Tracking needs no privileges, not even to see the kernel's own writes to the buffer.
func TestTrackingNeedsNoPrivileges(t *testing.T) {
	needTracking(t)
	if os.Geteuid() != 0 {
		if err := childTracks(); err != nil {
			t.Error(err)
		}
		return
	}
	trackingChild(t, "unprivileged", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
}

func childTracks() error {
	p, err := TrackedBuffer(2 * kib4)
	if err != nil {
		return err
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	put := func(b byte) {
		unix.Write(fds[1], []byte{b})
		unix.Read(fds[0], p[:1]) // the kernel faults, not the program
	}
	d := &scripted{media: make([]byte, 64*kib4), buf: p, geo: Geometry{MemAlign: 512, OffsetAlign: 512}}
	d.script = []step{during(func() { put(1) }, func() { put(0) })}
	f, err := NewDevice(d, Options{DetectBy: ByTracking, RequireTracking: true})
	if err != nil {
		return err
	}
	defer f.Close()
	w := &Write{Buf: p}
	if err := f.Do(w); err != nil || len(w.Changed) != 1 {
		return fmt.Errorf("%v, changed %v", err, w.Changed)
	}
	return nil
}

// A program started by execve inherits no descriptor of tracking.
func TestTrackingIsNotInherited(t *testing.T) {
	needTracking(t)
	trackingChild(t, "descriptors", nil)
}

func childDescriptors() error {
	entries, err := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && (strings.Contains(to, "userfaultfd") || strings.Contains(to, "pagemap")) {
			return fmt.Errorf("descriptor %s is %s", e.Name(), to)
		}
	}
	return err
}

// A page that is swapped out and in counts as changed if it was written to. A page that
// is not in memory when the write looks always counts as changed.
func TestTrackingOfSwappedPages(t *testing.T) {
	needTracking(t)
	swapOn(t)
	p := anonymous(t, 16*kib4, unix.MADV_NOHUGEPAGE)
	for name, tc := range map[string]struct {
		before, during, after func(t *testing.T, page []byte)
		changed               bool
	}{
		"swapped out before":                      {before: swapOut},
		"swapped out before, and stored to":       {before: swapOut, during: func(t *testing.T, p []byte) { p[5]++ }, after: func(t *testing.T, p []byte) { p[5]-- }, changed: true},
		"swapped out when it looks":               {after: swapOut, changed: true},
		"swapped out in flight, and read":         {during: swapOut, after: func(t *testing.T, p []byte) { sink += p[0] }},
		"stored to, swapped out, and stored to":   {during: func(t *testing.T, p []byte) { p[5]++; swapOut(t, p) }, after: func(t *testing.T, p []byte) { p[5]-- }, changed: true},
		"swapped out, and stored to":              {during: swapOut, after: func(t *testing.T, p []byte) { p[5]++; p[5]-- }, changed: true},
		"stored to, swapped out, stored, and out": {during: func(t *testing.T, p []byte) { p[5]++; swapOut(t, p) }, after: func(t *testing.T, p []byte) { p[5]--; swapOut(t, p) }, changed: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newScripted(0)
			d.buf = p
			for i := range p {
				p[i] = byte(i / 512)
			}
			page := p[3*kib4:][:kib4]
			on := func(f func(*testing.T, []byte)) func() {
				return func() {
					if f != nil {
						f(t, page)
					}
				}
			}
			on(tc.before)()
			d.script = []step{during(on(tc.during), on(tc.after))}
			w := &Write{Buf: p, Sums: make([]uint32, 16)}
			if err := d.file(t, tracks).Do(w); err != nil {
				t.Fatal(err)
			}
			if d.check(t, w); (len(w.Changed) > 0) != tc.changed || !w.Receipt.Tracked {
				t.Errorf("changed %v, receipt %+v", w.Changed, w.Receipt)
			}
		})
	}
}

// swapOut returns when p, a page, is not in memory. It tries again while the kernel is
// still writing the page, or has not put it on its lists.
func swapOut(t *testing.T, p []byte) {
	t.Helper()
	for range 5000 {
		mustDo(t, unix.Madvise(p, unix.MADV_PAGEOUT))
		if !present(t, p) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the kernel swaps nothing out")
}

// present reports whether the first page of p is in memory.
func present(t *testing.T, p []byte) bool {
	t.Helper()
	s := new(pageScan)
	if err := theUserfault.scan(s, runOf(p[:1]), 0, pageIsPresent, 0, true); err != nil {
		t.Fatal(err)
	}
	return len(s.found) > 0
}

// swapOn swaps to a file until the test ends.
func swapOn(t *testing.T) {
	t.Helper()
	testenv.Tool(t, "mkswap", "swapon", "swapoff")
	name := filepath.Join(testenv.DirectDir(t), "swap")
	mustDo(t, os.WriteFile(name, make([]byte, 4<<20), 0o600))
	for _, args := range [][]string{{"mkswap", name}, {"swapon", name}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			testenv.Missing(t, "%s: %v: %s", args[0], err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("swapoff", name).CombinedOutput(); err != nil {
			t.Errorf("swapoff: %v: %s", err, out)
		}
	})
}
