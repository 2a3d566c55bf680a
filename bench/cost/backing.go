package cost

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"unsafe"
)

// backingOf names the pages of the mapping that p begins in: "4k", "huge" or "mixed"; ""
// if that is not known.
func backingOf(p []byte) string {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return ""
	}
	defer f.Close()
	return parseBacking(f, address(p))
}

func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }

// parseBacking is backingOf for the mapping at an address.
func parseBacking(smaps io.Reader, address uint64) string {
	kib, within := map[string]int64{}, false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		var lo, hi uint64
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x", &lo, &hi); n == 2 {
			if within {
				break
			}
			within = lo <= address && address < hi
		} else if within {
			var name string
			var n int64
			fmt.Sscan(lines.Text(), &name, &n) // n stays 0 in lines of another form
			kib[name] = n
		}
	}
	return backing(kib["Rss:"], kib["AnonHugePages:"])
}

// backing names the pages of so many bytes, of which some are in huge pages. The ends of
// memory that is not aligned to huge pages may be in small ones.
func backing(bytes, huge int64) string {
	switch {
	case bytes == 0:
		return ""
	case huge == 0:
		return fmt.Sprintf("%dk", os.Getpagesize()>>10)
	case huge >= bytes/10*9:
		return "huge"
	}
	return "mixed"
}
