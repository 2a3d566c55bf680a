package cost

import (
	"encoding/binary"
	"fmt"
	"os"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// memory is what all writers of a Plan write from. Where it lies makes writes
// faster or slower, hot ones by a fifth and more, for as long as it lies there: hot
// writers write from another window of it in each round.
type memory struct {
	area    []byte // in small pages, as a plain program has it
	huge    []byte // as much in huge ones, if the system has them; nil if nobody writes from it
	own     []byte // in small pages: what Copied copies to
	unmap   []func()
	cold    bool
	windows int
	next    map[group][]int // by lane, where it is in its buffers
}

// placesBytes is what there is at most of windows that do not overlap; where the
// largest writes at the largest depth leave room for a few only, they overlap.
const placesBytes = 256 << 20

// newMemory makes room for the largest writes at the largest depth, for each of so
// many windows. Cold, there is one, twice the last-level cache at least, so that a
// block that was written is out of it when its turn comes again.
func newMemory(largest int64, windows int, cold, huge bool) (*memory, error) {
	bytes := max(largest, min(placesBytes, largest*int64(windows), availableMemory()/4))
	if cold {
		windows, bytes = 1, largest
		cache := lastLevelCache()
		if cache == 0 {
			return nil, fmt.Errorf("how large the last-level cache is cannot be learned here, so nothing is known to be cold")
		}
		bytes = max(bytes, 2*cache)
	}
	// The File's Pools and the race detector's shadows want room as well.
	all := bytes + largest
	if huge {
		all += bytes
	}
	if available := availableMemory(); available > 0 && all > available/2 {
		return nil, fmt.Errorf("buffers of %d MiB are too much with %d MiB of memory available", all>>20, available>>20)
	}
	m := &memory{cold: cold, windows: windows}
	var err error
	if m.area, err = m.mapped(bytes, false); err == nil && huge {
		m.huge, err = m.mapped(bytes, true)
	}
	if err == nil {
		m.own, err = m.mapped(largest, false)
	}
	if err != nil {
		m.close()
		return nil, fmt.Errorf("buffers of %d MiB: %w", all>>20, err)
	}
	return m, nil
}

// mapped is memory in huge pages or in small ones, filled.
func (m *memory) mapped(bytes int64, huge bool) ([]byte, error) {
	p, unmap, err := mapPages(int(bytes), huge)
	if err != nil {
		return nil, err
	}
	m.unmap = append(m.unmap, unmap)
	fill(p)
	return p, nil
}

// close unmaps all. Nothing may be in flight.
func (m *memory) close() {
	for _, unmap := range m.unmap {
		unmap()
	}
}

// buffers are those of each of depth lanes, in a window of the area: one, or cold all
// that fit, which are used in turn.
func (m *memory) buffers(area []byte, size, depth, window int) [][][]byte {
	each := 1
	if m.cold {
		each = len(area) / (size * depth)
	}
	all := make([][][]byte, depth)
	rest := area[m.offset(size*depth, window):]
	for i := range all {
		for range each {
			all[i] = append(all[i], rest[:size:size])
			rest = rest[size:]
		}
	}
	return all
}

// walk is where a lane of g is in its buffers. It outlives the cell: whoever began at
// the first one would find what the writer before it has in the cache.
func (m *memory) walk(g group, lane int) *int {
	if m.next == nil {
		m.next = map[group][]int{}
	}
	if m.next[g] == nil {
		m.next[g] = make([]int, g.depth)
	}
	return &m.next[g][lane]
}

// offset is where a window of so many bytes begins. Windows are spread over all
// that there is.
func (m *memory) offset(bytes, window int) int {
	if m.windows <= 1 {
		return 0
	}
	at := (len(m.area) - bytes) / (m.windows - 1) * (window % m.windows)
	return at - at%crcguard.BlockSize
}

// pattern is a buffer that neither compresses nor is all zeros.
func pattern(n int) []byte {
	p := stablewrite.AlignedBuffer(n)
	fill(p)
	return p
}

func fill(p []byte) {
	x := uint64(88172645463325252)
	for i := 0; i+8 <= len(p); i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(p[i:], x)
	}
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
