package cost

import (
	"errors"
	"io"
	"os"
	"slices"
	"syscall"

	"stablepages/bench/scratch"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// media compares the media with receipts. It reads through a second descriptor, past the
// page cache.
type media struct {
	f    *os.File
	size int
	buf  []byte
	got  []uint32
	sums []uint32 // of each block of each slot, from the last receipt
}

func newMedia(target *os.File, size int, slots int64) (*media, error) {
	f, err := scratch.Reopen(target, os.O_RDONLY, true)
	if err != nil {
		return nil, err
	}
	blocks := crcguard.Blocks(size)
	return &media{
		f: f, size: size, buf: stablewrite.AlignedBuffer(size),
		got: make([]uint32, blocks), sums: make([]uint32, slots*int64(blocks)),
	}, nil
}

// of returns the sums of slot, which the receipt of a write to it sets.
func (m *media) of(slot int64) []uint32 {
	n := int64(len(m.got))
	return m.sums[slot*n : (slot+1)*n]
}

// torn reports whether slot cannot be read, or differs from its receipt.
func (m *media) torn(slot int64) (bool, error) {
	_, err := m.f.ReadAt(m.buf, slot*int64(m.size))
	switch {
	case errors.Is(err, io.EOF):
		return false, errors.New("the file ends before the data that was written: another program writes to it")
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EILSEQ):
		return true, nil
	case err != nil:
		return false, err
	}
	crcguard.ChecksumBlocks(m.buf, m.got)
	return !slices.Equal(m.got, m.of(slot)), nil
}

// Limits of reading back after a cell: reading small writes takes as long as writing them.
const (
	checkedBytes  = 16 << 20
	checkedWrites = 512
)

// check compares the media with the receipts of the last writes of each lane.
func (c *cell) check() (checked, torn int64, err error) {
	most := max(1, min(checkedWrites, checkedBytes/int64(c.g.size))/int64(c.g.depth))
	for i, l := range c.lanes {
		for k := l.writes - min(l.writes, c.slots, most); k < l.writes; k++ {
			bad, err := c.media.torn(k%c.slots*int64(c.g.depth) + int64(i))
			if err != nil {
				return checked, torn, err
			}
			checked++
			if bad {
				torn++
			}
		}
	}
	return checked, torn, nil
}
