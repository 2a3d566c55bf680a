package cost

import (
	"encoding/binary"
	"fmt"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// memory is what all writers of a Plan write from. Where it lies makes writes
// faster or slower, hot ones by a fifth and more, for as long as it lies there: hot
// writers write from another window of it in each round.
type memory struct {
	area    []byte
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
func newMemory(largest int64, windows int, cold bool) (*memory, error) {
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
	if available := availableMemory(); available > 0 && bytes > available/2 {
		return nil, fmt.Errorf("buffers of %d MiB are too much with %d MiB of memory available", bytes>>20, available>>20)
	}
	return &memory{area: pattern(int(bytes)), cold: cold, windows: windows}, nil
}

// buffers are those of each of depth writers, in a window: one, or cold all that
// fit, which are used in turn.
func (m *memory) buffers(size, depth, window int) [][][]byte {
	each := 1
	if m.cold {
		each = len(m.area) / (size * depth)
	}
	all := make([][][]byte, depth)
	rest := m.area[m.offset(size*depth, window):]
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
	x := uint64(88172645463325252)
	for i := 0; i+8 <= n; i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(p[i:], x)
	}
	return p
}

// backing is the pages behind the memory of writers, and behind memory of a Pool
// as large as one write's.
func (m *memory) backing(size int) (user, private string) {
	private = "none"
	spy := &null{}
	f, err := stablewrite.NewDevice(spyDevice{spy, &private}, stablewrite.Options{Strategy: stablewrite.Bounce})
	if err != nil {
		return "", ""
	}
	defer f.Close()
	_, _ = f.WriteAt(m.area[:min(size, stablewrite.DefaultSegmentBytes)], 0) // one submission, and null takes everything
	return backingOf(m.area), private
}

// spyDevice looks at the memory that it is handed.
type spyDevice struct {
	*null
	saw *string
}

func (d spyDevice) WriteAt(p []byte, off int64) (int, error) {
	*d.saw = backingOf(p)
	return len(p), nil
}
