package kernel

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Log collects the lines of the kernel's log (Documentation/ABI/testing/dev-kmsg).
type Log struct{ fd int }

// openLog begins at the present end of the log.
func openLog() (*Log, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/kmsg: %w", err)
	}
	unix.Seek(fd, 0, unix.SEEK_END)
	return &Log{fd}, nil
}

// Lines returns the lines that were logged since the last call, without their prefixes.
func (l *Log) Lines() (found []string) {
	for buf := make([]byte, 8192); ; {
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
