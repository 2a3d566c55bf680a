package stablewrite

import "sync/atomic"

// Stats counts what a File did since it was opened.
type Stats struct {
	Writes        int64 // that returned without error; of a Stream, buffers
	Bytes         int64 // of these
	Failed        int64 // writes that were begun and returned an error
	ChangedWrites int64 // writes whose buffer was seen to change
	Submissions   int64 // calls of Device.WriteAt
	Resubmitted   int64 // bytes submitted once more
	Refused       int64 // submissions that the device refused with EILSEQ
	Unaligned     int64 // writes copied only because their memory was not aligned for the device
	PoolPeak      int   // most private memory in use at a time, in bytes, of all Files of the Pool, since it was made
}

type counters struct {
	writes, bytes, failed, changed, submissions, resubmitted, refused, unaligned atomic.Int64
}

func (c *counters) count(w *Write, unaligned bool) {
	if w.Err != nil {
		c.failed.Add(1)
	} else {
		c.writes.Add(1)
		c.bytes.Add(int64(w.Receipt.N))
	}
	c.submissions.Add(int64(w.Receipt.Submissions))
	if w.Receipt.ChangedBlocks > 0 {
		c.changed.Add(1)
	}
	if w.Receipt.Resubmitted > 0 {
		c.resubmitted.Add(w.Receipt.Resubmitted)
	}
	if w.Receipt.Refused > 0 {
		c.refused.Add(int64(w.Receipt.Refused))
	}
	if unaligned {
		c.unaligned.Add(1)
	}
}

// stream counts a buffer of a Stream.
func (c *counters) stream(n, calls int, err error) {
	c.submissions.Add(int64(calls))
	if err != nil {
		c.failed.Add(1)
		return
	}
	c.writes.Add(1)
	c.bytes.Add(int64(n))
}

// Stats returns the counts so far. They are consistent with each other only
// while no write is under way.
func (f *File) Stats() Stats {
	c := &f.stats
	return Stats{
		Writes: c.writes.Load(), Bytes: c.bytes.Load(), Failed: c.failed.Load(), ChangedWrites: c.changed.Load(),
		Submissions: c.submissions.Load(), Resubmitted: c.resubmitted.Load(), Refused: c.refused.Load(), Unaligned: c.unaligned.Load(),
		PoolPeak: f.opts.Pool.Peak(),
	}
}
