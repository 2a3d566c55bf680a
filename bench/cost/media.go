package cost

import "stablepages/crcguard"

// The sums of the last receipts of all slots are kept, and compared with the media after a
// cell. Limits of reading back: reading small writes takes as long as writing them.
const (
	checkedBytes  = 16 << 20
	checkedWrites = 512
)

// receipt returns the sums of slot, which the receipt of a write to it sets.
func (c *cell) receipt(slot int64) []uint32 {
	n := int64(crcguard.Blocks(c.g.size))
	return c.sums[slot*n:][:n]
}

// check compares the media with the receipts of the last writes of each lane.
func (c *cell) check() (checked, torn int64, err error) {
	most := max(1, min(checkedWrites, checkedBytes/int64(c.g.size))/int64(c.g.depth))
	for i, l := range c.lanes {
		for k := l.writes - min(l.writes, c.slots, most); k < l.writes; k++ {
			slot := k%c.slots*int64(c.g.depth) + int64(i)
			bad, _, err := c.oracle.Judge(slot*int64(c.g.size), c.receipt(slot))
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
