package cost

import (
	"encoding/binary"
	"slices"
	"sync/atomic"

	"stablepages/crcguard"
)

// changes changes the buffers of a share of all writes while they are in flight,
// evenly spread. Devices call inFlight between the acceptance of a submission and
// its completion, on the goroutine that submits; nothing else runs there, so that
// a change is in flight for certain and is no data race.
//
// A block is changed once in a write, under the first submission that covers it:
// of the buffer itself or, under a strategy that copies, of the copy, which the
// change does not reach. No block ever holds a version again: each change adds 1
// to its first 8 bytes.
type changes struct {
	share  float64
	blocks int // of each write that is changed; 0: all
	size   int // bytes of each write
	writes atomic.Int64
	slots  []slotChanges // by where in the region, which no two writes under way share
}

// slotChanges is what is to be changed of a write under way.
type slotChanges struct {
	buf    []byte
	left   []bool // by block: to be changed still
	chosen bool
}

func newChanges(share float64, blocks, size int, slots int64) *changes {
	all := size / crcguard.BlockSize
	if blocks <= 0 || blocks > all {
		blocks = all
	}
	return &changes{share: share, blocks: blocks, size: size, slots: make([]slotChanges, slots)}
}

// begin is called before the write of buf to slot.
func (c *changes) begin(slot int64, buf []byte) {
	s := &c.slots[slot]
	k := c.writes.Add(1)
	s.buf = buf
	if s.left == nil {
		s.left = make([]bool, c.size/crcguard.BlockSize)
	}
	// Diffusion of the rounding error: of any n writes in a row share*n, but for
	// less than one, are changed.
	s.chosen = int64(float64(k)*c.share) > int64(float64(k-1)*c.share)
	if !s.chosen {
		return
	}
	for i := range c.blocks {
		s.left[i*len(s.left)/c.blocks] = true
	}
}

// end is called after it, and reports whether it was changed.
func (c *changes) end(slot int64) bool {
	s := &c.slots[slot]
	return s.chosen && !slices.Contains(s.left, true)
}

// inFlight is called while n bytes at off are in flight. The segments of a write
// have blocks of their own.
func (c *changes) inFlight(off int64, n int) {
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
