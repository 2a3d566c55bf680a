package cost

import (
	"encoding/binary"
	"fmt"

	"stablepages/stablewrite"
)

// memory is what all writers of a Plan write from.
type memory struct {
	area []byte
	cold bool
}

// newMemory makes room for the largest writes at the largest depth. Cold, it is
// twice the last-level cache at least, so that a block that was written is out of
// it when its turn comes again.
func newMemory(largest int64, cold bool) (*memory, error) {
	bytes := largest
	if cold {
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
	return &memory{area: pattern(int(bytes)), cold: cold}, nil
}

// buffers are those of each of depth writers: one, or cold all that fit, which
// are used in turn.
func (m *memory) buffers(size, depth int) [][][]byte {
	each := 1
	if m.cold {
		each = len(m.area) / (size * depth)
	}
	all := make([][][]byte, depth)
	rest := m.area
	for i := range all {
		for range each {
			all[i] = append(all[i], rest[:size:size])
			rest = rest[size:]
		}
	}
	return all
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
