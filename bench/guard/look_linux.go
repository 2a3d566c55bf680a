//go:build amd64 || arm64

package guard

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// file is a file of a thread or process in /proc.
func (t *tracer) file(tid int, name string) string {
	return "/proc/" + strconv.Itoa(tid) + "/" + name
}

func (t *tracer) descriptor(tid, fd int) string { return t.file(tid, "fd/"+strconv.Itoa(fd)) }

// look clears O_DIRECT of all descriptors of a process that have it.
func (t *tracer) look(pid int) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(pidfd)
	// The process may have ended, and its number be a stranger's.
	if statusField(t.file(pid, "status"), "TracerPid") != strconv.Itoa(t.thread) {
		return
	}
	dir, err := os.Open(t.file(pid, "fd"))
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
		// What is no file of a file system (a socket, a pipe, a ring) has a name
		// without a slash. To list what is in a ring or an epoll takes long.
		file := readLink(t.descriptor(pid, fd))
		if strings.HasPrefix(file, "/") && openFlags(t.file(pid, "fdinfo/"+name))&unix.O_DIRECT != 0 && direct(t.descriptor(pid, fd)) && clear(pidfd, fd) {
			t.count(pid, file, func(r *row) { r.cleared++ })
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

// direct reports whether O_DIRECT of what descriptor names means direct I/O. For a
// pipe it means packets. Attributes are asked for without asking a server.
func direct(descriptor string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, descriptor, unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st)
	return err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO
}

// openFlags are those that a file in fdinfo shows, 0 if it is gone.
func openFlags(fdinfo string) int {
	var b [256]byte
	fd, err := unix.Open(fdinfo, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	n, _ := unix.Read(fd, b[:])
	unix.Close(fd)
	_, rest, _ := bytes.Cut(b[:max(n, 0)], []byte("flags:"))
	text, _, _ := bytes.Cut(rest, []byte("\n"))
	flags, _ := strconv.ParseInt(string(bytes.TrimSpace(text)), 8, 64)
	return int(flags)
}

func readLink(name string) string {
	target, _ := os.Readlink(name)
	return target
}

func readFile(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}
