package scratch

import (
	"fmt"
	"os"
)

// Reopen opens what f has open by a descriptor of its own: directly, past the page
// cache, if direct.
func Reopen(f *os.File, flag int, direct bool) (*os.File, error) {
	if direct {
		flag |= directFlag
	}
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flag, 0)
}
