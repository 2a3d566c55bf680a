package kernel

import (
	"errors"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Log collects the lines of the kernel's log (Documentation/ABI/testing/dev-kmsg).
type Log struct {
	fd int
	mu sync.Mutex
}

// openLog begins at the end of the log as it is.
func openLog() (*Log, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/dev/kmsg", Err: err}
	}
	unix.Seek(fd, 0, unix.SEEK_END)
	return &Log{fd: fd}, nil
}

// Lines returns what was logged since the last call, without the prefixes.
func (l *Log) Lines() (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(l.fd, buf)
		switch {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR): // overwritten before it was read
			continue
		case err != nil || n <= 0:
			return found
		}
		// "6,339,5140900,-;text\n continuation=...\n"
		if _, text, ok := strings.Cut(string(buf[:n]), ";"); ok {
			text, _, _ = strings.Cut(text, "\n")
			found = append(found, text)
		}
	}
}
