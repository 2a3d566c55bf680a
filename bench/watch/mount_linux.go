package watch

import (
	"iter"
	"os"
	"strings"
)

// mount is a line of /proc/self/mountinfo (proc(5)).
type mount struct{ device, point, fileSystem, source, options string }

// mounts yields the mounts of this process.
func mounts() iter.Seq[mount] {
	return func(yield func(mount) bool) {
		table, _ := os.ReadFile("/proc/self/mountinfo")
		for line := range strings.Lines(string(table)) {
			before, after, _ := strings.Cut(line, " - ")
			head, tail := strings.Fields(before), strings.Fields(after)
			if len(head) >= 5 && len(tail) >= 3 && !yield(mount{head[2], head[4], tail[0], tail[1], tail[2]}) {
				return
			}
		}
	}
}
