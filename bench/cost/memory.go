package cost

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// memory holds the buffers of all writers of a Plan. Hot writers use another window of it
// in each round.
type memory struct {
	area    []byte // in small pages, as a plain program has it
	huge    []byte // as much in huge pages, if the system has them; nil if no writer needs it
	copies  []byte // in small pages: Copied copies to it
	unmap   []func()
	cold    bool
	windows int
}

// placesBytes bounds the memory for windows that do not overlap.
const placesBytes = 256 << 20

// newMemory makes room for the largest writes at the largest depth in so many windows.
// Cold memory has one window, at least twice as large as the last-level cache, so that a
// block has left the cache when its turn comes again.
func newMemory(largest int64, windows int, cold, huge bool) (*memory, error) {
	bytes, hugeBytes := max(largest, min(placesBytes, largest*int64(windows), availableMemory()/4)), int64(0)
	if cold {
		cache := lastLevelCache("/sys/devices/system/cpu")
		if cache == 0 {
			return nil, errors.New("the size of the last-level cache is not known here, so no memory is known to be cold")
		}
		windows, bytes = 1, max(largest, 2*cache)
	}
	if huge {
		hugeBytes = bytes
	}
	// The Pools of the Files and the shadows of the race detector need room, too.
	all := bytes + hugeBytes + largest
	if available := availableMemory(); available > 0 && all > available/2 {
		return nil, fmt.Errorf("buffers of %d MiB are too much with %d MiB of memory available", all>>20, available>>20)
	}
	m := &memory{cold: cold, windows: windows}
	for _, part := range []struct {
		p     *[]byte
		bytes int64
		huge  bool
	}{{&m.area, bytes, false}, {&m.huge, hugeBytes, true}, {&m.copies, largest, false}} {
		p, unmap, err := mapPages(int(part.bytes), part.huge)
		if err != nil {
			m.close()
			return nil, fmt.Errorf("buffers of %d MiB: %w", all>>20, err)
		}
		fill(p)
		*part.p, m.unmap = p, append(m.unmap, unmap)
	}
	return m, nil
}

// close unmaps all. Nothing may be in flight.
func (m *memory) close() {
	for _, unmap := range m.unmap {
		unmap()
	}
}

// buffers returns the buffers of each of depth lanes, in a window of area: one for each
// lane, or if cold as many as fit, which a lane uses in turn.
func (m *memory) buffers(area []byte, size, depth, window int) [][][]byte {
	each, start := 1, 0
	switch {
	case m.cold:
		each = len(area) / (size * depth)
	case m.windows > 1: // spread over the area
		start = (len(area) - size*depth) / (m.windows - 1) * (window % m.windows)
		start -= start % crcguard.BlockSize
	}
	lanes := make([][][]byte, depth)
	rest := area[start:]
	for i := range lanes {
		for range each {
			lanes[i] = append(lanes[i], rest[:size:size])
			rest = rest[size:]
		}
	}
	return lanes
}

// pattern returns a buffer that does not compress.
func pattern(n int) []byte {
	p := stablewrite.AlignedBuffer(n)
	fill(p)
	return p
}

func fill(p []byte) {
	x := uint64(88172645463325252) // xorshift64: a third of the time of math/rand/v2.ChaCha8
	for i := 0; i+8 <= len(p); i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(p[i:], x)
	}
}

// lastLevelCache adds up the caches of the highest level in dir, 0 if they are not known
// (Documentation/ABI/testing/sysfs-devices-system-cpu).
func lastLevelCache(dir string) (bytes int64) {
	caches, _ := filepath.Glob(filepath.Join(dir, "cpu[0-9]*/cache/index*"))
	highest, sizes := 1, map[string]int64{} // by the processors that share the cache
	for _, cache := range caches {
		var level int
		var kib int64
		var shared string
		for name, value := range map[string]any{"level": &level, "size": &kib, "shared_cpu_list": &shared} {
			b, _ := os.ReadFile(filepath.Join(cache, name))
			fmt.Sscan(string(b), value) // "32768K" is 32768
		}
		if level > highest {
			highest = level
			clear(sizes)
		}
		if level == highest {
			sizes[shared] = kib << 10
		}
	}
	for _, size := range sizes {
		bytes += size
	}
	return bytes
}

// availableMemory is MemAvailable of proc(5), 0 if it is not known.
func availableMemory() (bytes int64) {
	b, _ := os.ReadFile("/proc/meminfo")
	if _, rest, ok := strings.Cut(string(b), "MemAvailable:"); ok {
		fmt.Sscan(rest, &bytes)
	}
	return bytes << 10
}

// backingOf names the pages of the mapping that p begins in: "4k", "huge" or "mixed"; ""
// if that is not known.
func backingOf(p []byte) string {
	smaps, _ := os.ReadFile("/proc/self/smaps")
	return parseBacking(string(smaps), address(p))
}

func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }

// parseBacking is backingOf for the mapping at an address.
func parseBacking(smaps string, address uint64) string {
	kib, within := map[string]int64{}, false
	for line := range strings.Lines(smaps) {
		var lo, hi uint64
		if n, _ := fmt.Sscanf(line, "%x-%x", &lo, &hi); n == 2 {
			if within {
				break
			}
			within = lo <= address && address < hi
		} else if within {
			var name string
			var n int64
			fmt.Sscan(line, &name, &n) // n stays 0 in lines of another form
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
