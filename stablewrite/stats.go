package stablewrite

import "sync"

// Stats counts what a File did since it was opened.
type Stats struct {
	Writes        int64 // that returned without error; for a Stream, its buffers
	Bytes         int64 // of these writes
	Failed        int64 // writes that began and returned an error
	ChangedWrites int64 // writes whose buffer was seen to change
	Submissions   int64 // to the device
	Resubmitted   int64 // bytes submitted once more
	Refused       int64 // submissions that the device refused with EILSEQ
	Unaligned     int64 // writes copied only because their memory was not aligned for the device
	Untracked     int64 // writes under ByTracking with a part that was not tracked

	// Bytes of the Pool, for all of its Files: the most in use at a time, the bytes
	// mapped, and those of them in huge pages (-1 before Linux 6.7, which does not tell).
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
	count := func(n *int64, yes bool) {
		if yes {
			*n++
		}
	}
	count(&c.Failed, err != nil)
	count(&c.Writes, err == nil)
	count(&c.ChangedWrites, r.ChangedBlocks > 0)
	count(&c.Unaligned, unaligned)
	count(&c.Untracked, untracked)
	if err == nil {
		c.Bytes += int64(r.N)
	}
	c.Submissions += int64(r.Submissions)
	c.Resubmitted += r.Resubmitted
	c.Refused += int64(r.Refused)
}

// Stats returns the counts so far.
func (f *File) Stats() Stats {
	f.stats.mu.Lock()
	defer f.stats.mu.Unlock()
	s := f.stats.Stats
	s.PoolPeak, s.PoolMapped, s.PoolHuge = f.opts.Pool.use()
	return s
}
