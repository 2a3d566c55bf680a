package cost

import (
	"cmp"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// way is how a lane writes.
func (c *cell) way() func(*stablewrite.Write) error {
	switch c.w.variant {
	case record.Summed:
		var sum uint32
		return func(w *stablewrite.Write) error {
			sum = crcguard.Update(sum, w.Buf)
			return c.f.Do(w)
		}
	case record.Copied:
		own := stablewrite.AlignedBuffer(c.g.size)
		return func(w *stablewrite.Write) error {
			copy(own, w.Buf)
			w.Buf = own
			return c.f.Do(w)
		}
	case record.Segmented:
		return segmented(c.f)
	}
	return c.f.Do
}

// segmented writes in as many submissions as strategies that sum do, as many at a
// time.
func segmented(f *stablewrite.File) func(*stablewrite.Write) error {
	q := f.Queue(atATime)
	var parts []stablewrite.Write
	return func(w *stablewrite.Write) error {
		n := len(w.Buf)
		count := (n + stablewrite.DefaultSegmentBytes - 1) / stablewrite.DefaultSegmentBytes
		if len(parts) < count {
			parts = make([]stablewrite.Write, count)
		}
		blocks := n / crcguard.BlockSize
		for i := range count {
			lo, hi := i*blocks/count*crcguard.BlockSize, (i+1)*blocks/count*crcguard.BlockSize
			parts[i].Buf, parts[i].Off = w.Buf[lo:hi], w.Off+int64(lo)
			if err := q.Start(&parts[i]); err != nil {
				return err
			}
		}
		var err error
		for part := q.Wait(); part != nil; part = q.Wait() {
			err = cmp.Or(err, part.Err)
		}
		return err
	}
}
