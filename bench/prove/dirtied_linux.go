package prove

import (
	"fmt"
	"os"
	"strings"
)

// dirtied counts how many times a page of the page cache was dirtied since the machine
// booted (proc_vmstat(5)). Beside writes of a MiB, a file system dirties few pages for
// anything but data.
func dirtied() (pages int64, err error) {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "nr_dirtied %d", &pages); err == nil {
			return pages, nil
		}
	}
	return 0, fmt.Errorf("/proc/vmstat does not count nr_dirtied")
}
