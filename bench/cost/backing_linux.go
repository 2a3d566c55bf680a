package cost

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unsafe"
)

// backingOf tells the pages behind the mapping that p begins in: "4k", "huge" or
// "mixed"; "" if that is not known.
func backingOf(p []byte) string {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return ""
	}
	defer f.Close()
	return parseBacking(f, address(p))
}

func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }

// parseBacking is of the mapping at address.
func parseBacking(smaps io.Reader, address uint64) string {
	var within bool
	var resident, huge int64
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), " ")
		var lo, hi uint64
		if n, _ := fmt.Sscanf(name, "%x-%x", &lo, &hi); n == 2 {
			if within {
				break
			}
			within = lo <= address && address < hi
			continue
		}
		if !within {
			continue
		}
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		switch name {
		case "Rss:":
			resident = kib
		case "AnonHugePages:":
			huge = kib
		}
	}
	return shareBacking(resident, huge)
}
