package cost

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
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

// mapPages maps n bytes in huge pages, as far as the system has them for who asks,
// or in small ones.
func mapPages(n int, huge bool) (p []byte, unmap func(), err error) {
	const hugePage = 2 << 20
	all, err := unix.Mmap(-1, 0, n+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, err
	}
	advice := unix.MADV_NOHUGEPAGE
	if huge {
		advice = unix.MADV_HUGEPAGE
	}
	_ = unix.Madvise(all, advice) // a kernel without huge pages knows neither
	p = all[int(-address(all)%hugePage):][:n:n]
	return p, func() { _ = unix.Munmap(all) }, nil
}
