// Package cost measures what each strategy costs.
//
// All writers run in every round, in rotating order, so that the noise of the machine
// falls on all of them alike; what is compared are ratios to raw within a round. Those
// that are compared with each other, of one size, depth and share of changed writes,
// run one after the other. The first round warms up. Every cell syncs each time its
// writers have written as much as the region, which each goes around in slots of its
// own, and at its end, within the time: the page cache must not get away with writing
// to memory. For that, writes through the page cache wait for Syncs; direct ones do
// not.
//
// # What is compared with what
//
// With nothing changing every strategy is a File as users have it. For a share of the
// writes to change in flight for certain they have to be submitted and reaped apart:
// where anything changes, all writers, raw too, go by io_submit, the change, and
// io_getevents, in a Device. They are compared with raw that changes as often, never
// with a column where nothing does. Raw, verify and bounce are timed once more in two
// steps with nothing between them: package findings begins there the line that says
// from which share of changed writes on bounce costs less. On null and delay there is
// one way to submit, and the change is made in it.
//
// A write is changed in all its 4 KiB blocks, unless the Plan says in how many: the
// upper end of what a strategy may have to resubmit. Which writes are changed is
// evenly spread and not random. No block ever holds a version again, so nothing is
// restored: what strategies cannot see is for package repro. Nothing is in flight of a
// write through the page cache once it was submitted; its buffer is changed all the
// same.
//
// After each cell whose writes change, the last few hundred of them are read back and
// compared with their receipts. This is not timed.
//
// # Noise
//
// Raw is timed twice, as Again: raw against raw (A/A) shows the noise. Package findings
// marks a ratio whose own interval has 1 in it, or lies within that of A/A. Intervals
// are of 95%: one A/A in twenty misses 1.
//
// # Memory
//
// Hot writers use one buffer each over and over; it is in the cache as far as all of
// them fit there. Where in physical memory it lies can make a write faster by a fifth
// and more, for as long as it lies there: in each round all write from a window of
// memory of its own, raw once more from another one than raw, as far as 256 MiB have
// room for them. Private memory differs by where it lies as much: Files, and a Pool
// for each, as large as what one File may have of the Pool that users share by
// default, are made anew in each round, and write for a tenth of the time before they
// are timed.
//
// That memory was just written costs as well, on some machines more than the copy. Raw
// writes the same bytes over and over, as no program does that has something to say:
// raw, copied is the row for one that has: compare bounce with it. Cold writers go
// around in memory twice as large as the last-level cache.
//
// Writers' memory is in pages of 4 KiB, as a plain program has it; of the row Huge it
// is in huge pages, which a device takes for less. Private memory is in huge pages
// where the system has them. What backs each is in the Records.
//
// # Time
//
// Processor time is this process's. What the kernel does in threads of its own,
// writing back the page cache above all, is not in it. On delay it contains the
// goroutine that keeps the time. Latencies are those of a write, without the Syncs
// between.
//
// At depth 1 each write is waited for (File.Do). Deeper it is one goroutine that keeps
// so many under way by a Queue; GOMAXPROCS is what it is. Latency is then from Start
// to the return by Wait. Where the File has a ring these writes take no goroutine;
// Calls is the row of those that have none.
package cost
