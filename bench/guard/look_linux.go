//go:build amd64 || arm64

package guard

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/aio"
	"stablepages/bench/record"
)

const (
	often = 100 * time.Millisecond
	share = 100 // looking takes at most one hundredth of the time
)

// lookNowAndThen looks at the descriptors of all guarded processes in intervals, without
// end.
func (t *tracer) lookNowAndThen() {
	for pause := often; ; {
		time.Sleep(pause)
		began := time.Now()
		for pid := range t.processes.Range {
			t.look(pid.(int))
		}
		pause = max(often, share*time.Since(began))
	}
}

// look clears O_DIRECT of all descriptors of a process.
func (t *tracer) look(pid int) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(pidfd)
	// The process may have ended, and another may have its number.
	if statusField(procFile(pid, "status"), "TracerPid") != strconv.Itoa(t.thread) {
		return
	}
	dir, err := os.Open(procFile(pid, "fd"))
	if err != nil {
		return
	}
	names, _ := dir.Readdirnames(-1)
	dir.Close()
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// Sockets, pipes and rings have names without a slash. Do not read the fdinfo of
		// a ring or an epoll: that takes long.
		file := readLink(descriptor(pid, fd))
		if strings.HasPrefix(file, "/") && aio.DirectIn(procFile(pid, "fdinfo/"+name)) &&
			direct(descriptor(pid, fd)) && clear(pidfd, fd) {
			t.count(pid, file, record.Guard{Cleared: 1})
		}
	}
}

// clear takes O_DIRECT from an open file description.
func clear(pidfd, fd int) bool {
	ours, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return false
	}
	defer unix.Close(ours)
	flags, err := unix.FcntlInt(uintptr(ours), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_DIRECT == 0 {
		return false
	}
	_, err = unix.FcntlInt(uintptr(ours), unix.F_SETFL, flags&^unix.O_DIRECT)
	return err == nil
}

// direct reports whether O_DIRECT means direct I/O on a descriptor. On a pipe it means
// packets. DONT_SYNC, because a network file system would ask its server.
func direct(descriptor string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, descriptor, unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st)
	return err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO
}

// procFile returns the name of a file in /proc of a thread or process.
func procFile(tid int, name string) string { return "/proc/" + strconv.Itoa(tid) + "/" + name }

func descriptor(tid, fd int) string { return procFile(tid, "fd/"+strconv.Itoa(fd)) }

func comm(pid int) string { return strings.TrimSuffix(readFile(procFile(pid, "comm")), "\n") }

// statusField returns a field of a file such as /proc/PID/status, "" if it has none.
func statusField(file, name string) string {
	for line := range strings.Lines(readFile(file)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func readLink(name string) string {
	target, _ := os.Readlink(name)
	return target
}

func readFile(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}
