package stablewrite

import "sync"

// Stats counts what a File did since it was opened.
type Stats struct {
	Writes        int64 // that returned without error; of a Stream, buffers
	Bytes         int64 // of these
	Failed        int64 // writes that were begun and returned an error
	ChangedWrites int64 // writes whose buffer was seen to change
	Submissions   int64 // to the device
	Resubmitted   int64 // bytes submitted once more
	Refused       int64 // submissions that the device refused with EILSEQ
	Unaligned     int64 // writes copied only because their memory was not aligned for the device
	Untracked     int64 // writes under ByTracking of which not all was tracked

	// Of the Pool, all of its Files, in bytes: the most that was in use at a time, what
	// is mapped, and what of that lies in huge pages (-1 before Linux 6.7, which does not
	// tell).
	PoolPeak, PoolMapped, PoolHuge int
}

type counters struct {
	mu sync.Mutex
	Stats
}

// count counts a write that ended, or a buffer of a Stream.
func (c *counters) count(r Receipt, err error, unaligned, untracked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.Failed++
	} else {
		c.Writes++
		c.Bytes += int64(r.N)
	}
	c.Submissions += int64(r.Submissions)
	if r.ChangedBlocks > 0 {
		c.ChangedWrites++
	}
	c.Resubmitted += r.Resubmitted
	c.Refused += int64(r.Refused)
	if unaligned {
		c.Unaligned++
	}
	if untracked {
		c.Untracked++
	}
}

// Stats returns the counts so far.
func (f *File) Stats() Stats {
	f.stats.mu.Lock()
	defer f.stats.mu.Unlock()
	s := f.stats.Stats
	s.PoolPeak, s.PoolMapped, s.PoolHuge = f.opts.Pool.use()
	return s
}
