package record

import (
	"os"
	"strings"
)

// Mount is a line of /proc/self/mountinfo (proc(5)).
type Mount struct {
	ID, Device       string // Device is "major:minor"
	Dir              string
	FileSystem       string // type
	Source           string
	Options, Special string // of the mount, and of the file system
}

// Mounts lists the mounts that this process sees; none without /proc.
func Mounts() []Mount {
	table, _ := os.ReadFile("/proc/self/mountinfo")
	return parseMounts(string(table))
}

func parseMounts(table string) (all []Mount) {
	for line := range strings.Lines(table) {
		before, after, _ := strings.Cut(line, " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if len(head) >= 6 && len(tail) >= 3 {
			all = append(all, Mount{head[0], head[2], head[4], tail[0], tail[1], head[5], tail[2]})
		}
	}
	return all
}
