package cost

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"
)

// lastLevelCache is the bytes of all caches of the highest level, 0 if that is
// not known (Documentation/ABI/testing/sysfs-devices-system-cpu).
func lastLevelCache() int64 { return cacheSize("/sys/devices/system/cpu") }

func cacheSize(dir string) (bytes int64) {
	caches, _ := filepath.Glob(filepath.Join(dir, "cpu[0-9]*/cache/index*"))
	attribute := func(cache, name string) string {
		b, _ := os.ReadFile(filepath.Join(cache, name))
		return strings.TrimSpace(string(b))
	}
	highest, sizes := 0, map[string]int64{}
	for _, c := range caches {
		level, err := strconv.Atoi(attribute(c, "level"))
		kib, ok := strings.CutSuffix(attribute(c, "size"), "K")
		size, err2 := strconv.ParseInt(kib, 10, 64)
		if err != nil || err2 != nil || !ok || level < highest {
			continue
		}
		if level > highest {
			highest, sizes = level, map[string]int64{}
		}
		sizes[attribute(c, "shared_cpu_list")] = size << 10 // those that share it have the same one
	}
	for _, size := range sizes {
		bytes += size
	}
	return bytes
}

// availableMemory is MemAvailable of proc(5), 0 if it is not known.
func availableMemory() int64 {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		if kib, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// backingOf tells the pages behind p by the mapping that p begins in: "4k",
// "huge" or "mixed"; "" if that is not known.
func backingOf(p []byte) string {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return ""
	}
	defer f.Close()
	return parseBacking(f, uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))))
}

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
	switch {
	case resident == 0:
		return ""
	case huge == 0:
		return fmt.Sprintf("%dk", os.Getpagesize()>>10)
	case huge >= resident/10*9:
		return "huge"
	}
	return "mixed"
}
