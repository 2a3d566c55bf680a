// Package cost measures what each strategy costs.
//
// All writers run in every round, in rotating order, so that the noise of the machine
// affects them alike. Writers of one size, depth and share of changed writes run one after
// the other, and are compared by ratios to raw within a round. The first round warms up.
//
// A writer writes to a region of the target, slot by slot and around. It syncs after each
// round of its slots and at its end, within the time: otherwise the page cache would only be
// writing to memory. Writes through the page cache wait for these Syncs, direct ones do not.
//
// # Changed writes
//
// With nothing changing, every strategy is a File as users have it. To change a share of
// the writes in flight for certain, all writers, also raw, use a Device that submits by
// io_submit, makes the change, and reaps by io_getevents. They are compared with raw that
// changes as often. Raw, verify and bounce are timed once more in these two steps with
// nothing changing: there package findings begins the line that shows from which share on
// bounce costs less. The simulated targets make changes in their only way to submit.
//
// A changed write changes in all its 4 KiB blocks, unless the Plan gives a number: that is
// the most that a strategy may have to resubmit. Changed writes are evenly spread, not
// random. No block ever has the same content again, so no change is restored: see package
// repro for that. A write through the page cache is never in flight when its buffer changes.
// Outside the time, the last few hundred are read back and compared with their receipts.
//
// # Noise
//
// Raw is timed twice, the second time as Again: raw against raw (A/A) shows the noise.
// Package findings marks a ratio whose interval contains 1, or lies within that of A/A.
// Intervals are of 95%: one A/A in twenty misses 1.
//
// # Memory
//
// A hot writer uses one buffer for each write in flight over and over. The buffers are in
// the cache if they fit there. A cold writer goes around in memory twice as large as the
// last-level cache.
//
// The place of a buffer in physical memory can make writes faster by a fifth and more. So
// all writers use the same window of memory in a round, and another window in the next;
// Again uses another window than raw. 256 MiB bound the windows. Private memory varies in
// the same way, so each cell has a new File and Pool. The Pool is as large as a File's part
// of the default Pool. A tenth of the time warms it up.
//
// Raw writes the same bytes over and over. A program produces its data first, and writing
// memory costs, too, on some machines more than a copy. Compare bounce with Copied, the row
// of such a program.
//
// The writers' memory is in pages of 4 KiB, as plain programs have it. A device takes fewer
// huge pages, faster: Huge is that row. Private memory is in huge pages if the system has
// them. Records name the pages.
//
// # Time
//
// Processor time is that of this process. It does not contain threads of the kernel, which
// write back the page cache. On delay it contains the goroutine that keeps the time.
// Latencies are those of writes, without Syncs.
//
// At depth 1 a writer waits for each write (File.Do). At larger depths one goroutine keeps
// that many in flight by a Queue, and the latency is from Start to the return of Wait.
// GOMAXPROCS is not set. A File that has a ring needs no goroutine for a write; Calls is
// the row without a ring.
package cost
