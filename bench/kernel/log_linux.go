package kernel

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// Logged returns the lines of the kernel's log (Documentation/ABI/testing/dev-kmsg) since
// the last call, without their prefixes.
func (in *Inside) Logged() (lines []string) {
	for buf := make([]byte, 8192); ; {
		n, err := unix.Read(in.log, buf)
		switch {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR): // overwritten before it was read
			continue
		case err != nil || n <= 0:
			return lines
		}
		// "6,339,5140900,-;text\n continuation=...\n"
		if _, text, ok := strings.Cut(string(buf[:n]), ";"); ok {
			text, _, _ = strings.Cut(text, "\n")
			lines = append(lines, text)
		}
	}
}
