package cost

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync/atomic"

	"stablepages/crcguard"
)

// changes changes the buffers of an evenly spread share of writes in flight. Devices call
// inFlight between the acceptance of a submission and its completion, on the goroutine that
// submits. Nothing else uses the buffer then, so a change is no data race. A block changes
// once in a write, during the first submission that covers it. Each change adds 1 to the
// first 8 bytes of a block, so that no block ever has the same content again.
type changes struct {
	share  float64
	blocks int // of each chosen write
	size   int // bytes of each write
	writes atomic.Int64
	slots  []slotChanges // of the region; writes under way never share one
}

// slotChanges are the changes of the write under way in a slot.
type slotChanges struct {
	buf    []byte
	left   []bool // by block: still to be changed
	chosen bool
}

func newChanges(share float64, blocks, size int, slots int64) *changes {
	all := size / crcguard.BlockSize
	return &changes{share: share, blocks: min(all, cmp.Or(blocks, all)), size: size, slots: make([]slotChanges, slots)}
}

// begin is called before the write of buf to slot.
func (c *changes) begin(slot int64, buf []byte) {
	s := &c.slots[slot]
	k := c.writes.Add(1)
	s.buf = buf
	if s.left == nil {
		s.left = make([]bool, c.size/crcguard.BlockSize)
	}
	// Carrying the rounding error on chooses share*n of any n writes in a row, give or take 1.
	s.chosen = int64(float64(k)*c.share) > int64(float64(k-1)*c.share)
	if !s.chosen {
		return
	}
	for i := range c.blocks {
		s.left[i*len(s.left)/c.blocks] = true
	}
}

// end is called after the write to slot, and reports whether it changed.
func (c *changes) end(slot int64) bool {
	s := &c.slots[slot]
	return s.chosen && !slices.Contains(s.left, true)
}

// inFlight is called while n bytes at off are in flight. Segments of a write do not share
// blocks. A nil c changes nothing.
func (c *changes) inFlight(off int64, n int) {
	if c == nil {
		return
	}
	s := &c.slots[off/int64(c.size)]
	lo := int(off % int64(c.size))
	for i := lo / crcguard.BlockSize; i < (lo+n)/crcguard.BlockSize; i++ {
		if s.left[i] {
			s.left[i] = false
			word := s.buf[i*crcguard.BlockSize:][:8]
			binary.LittleEndian.PutUint64(word, binary.LittleEndian.Uint64(word)+1)
		}
	}
}
