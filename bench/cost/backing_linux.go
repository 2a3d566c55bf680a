package cost

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// backingOf tells the pages behind p: "4k", "huge" or "mixed"; "" if that is not
// known. Before Linux 6.7 it is told by the mapping that p begins in, of which p
// may be a part.
func backingOf(p []byte) string {
	if text, ok := scanBacking(p); ok {
		return text
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return ""
	}
	defer f.Close()
	return parseBacking(f, address(p))
}

func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }

// pageScan and pageRegion are the kernel's struct pm_scan_arg and struct
// page_region, include/uapi/linux/fs.h.
type pageScan struct {
	size, flags, start, end, walkEnd uint64
	regions, regionsLen, maxPages    uint64
	inverted, required, anyOf, returned/*masks*/ uint64
}

type pageRegion struct{ start, end, categories uint64 }

const (
	pagemapScan = 0xc0606610 // PAGEMAP_SCAN, _IOWR('f', 16, struct pm_scan_arg)
	pageIsHuge  = 1 << 6     // PAGE_IS_HUGE: mapped as a whole, by one entry for 2 MiB or more
)

// scanBacking asks the kernel for the huge pages of p.
func scanBacking(p []byte) (backing string, ok bool) {
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil || len(p) == 0 {
		return "", false
	}
	defer pagemap.Close()
	page := uint64(os.Getpagesize())
	start, end := address(p)/page*page, (address(p)+uint64(len(p))+page-1)/page*page
	var huge uint64
	found := make([]pageRegion, 64)
	for at := start; at < end; {
		scan := pageScan{
			start: at, end: end, regions: uint64(uintptr(unsafe.Pointer(&found[0]))), regionsLen: uint64(len(found)), required: pageIsHuge, returned: pageIsHuge,
		}
		scan.size = uint64(unsafe.Sizeof(scan))
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, pagemap.Fd(), pagemapScan, uintptr(unsafe.Pointer(&scan)))
		if errno != 0 || scan.walkEnd <= at {
			return "", false
		}
		for _, r := range found[:n] {
			huge += r.end - r.start
		}
		at = scan.walkEnd
	}
	return shareBacking(int64(end-start), int64(huge)), true
}

// shareBacking names the pages of so many bytes, of which some are in huge ones.
// The ends of memory that is not aligned to those may be in small ones.
func shareBacking(bytes, huge int64) string {
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
