package repro

import (
	"fmt"
	"os"
)

// again opens what f has open by a descriptor of its own.
func again(f *os.File, flag int, direct bool) (*os.File, error) {
	if direct {
		flag |= directFlag
	}
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flag, 0)
}
