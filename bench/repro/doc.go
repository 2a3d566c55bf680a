// Package repro is the race: a writer, a mutator, and an oracle that reads the
// media back and holds them against what the writer was told.
//
// It follows the program that Josef Bacik posted in April 2011, with the stock
// mutator and the raw strategy: a process fills a buffer that it shares with
// another, writes it with O_DIRECT to the start of a file and reads it back into
// private memory, over and over, until a read fails. That program never
// compared data, so on a file system without checksums it proved nothing; here
// every write is compared. One more thing differs: the original hung after a
// failed read, never reaping its child.
//
// # Words
//
// A write is torn if the oracle's read, through a descriptor of its own and with
// O_DIRECT, differs from the receipt in the CRC-32C of any 4 KiB block, or
// fails. Raw has no receipt: a sum is taken before the submission, as a layer
// that keeps checksums does.
//
// In flight is between the acceptance of a submission and the reaping of its
// completion. A gated mutator changes the buffer then and only then: the gate
// submits with io_submit(2), has the mutator make one change, and calls
// io_getevents(2), and waits until what is to be restored has been. Of a free-running mutator it is known only that it changed
// the buffer between the sum and the return of the write, and what it changed
// may have been changed before the submission.
//
// The negative control is Raw through the page cache, gated: the kernel took a
// copy before the submission returned, and no write may be torn.
package repro
