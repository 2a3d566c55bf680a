// Package repro runs the race: a writer writes a buffer while a mutator changes it, and
// an oracle reads the media back and compares them with the receipt.
//
// With the stock mutator and the raw strategy this is the program that Josef Bacik
// posted in April 2011: a process fills a buffer that it shares with another process,
// writes it with O_DIRECT to the start of a file and reads it back into private
// memory, over and over, until a read fails. That program never compared data, so it
// proved nothing on a file system without checksums; here every write is compared.
// There is one more difference: after a failed read the original hung, because it never
// reaped its child.
//
// # Words
//
// A write is torn if the oracle cannot read it back, or if the CRC-32C of any 4 KiB
// block differs from the receipt. The oracle reads with O_DIRECT through another
// descriptor. Raw has no receipt: the harness takes a sum before the submission, as a
// layer with checksums does.
//
// A write is in flight after its submission was accepted and before its completion is
// reaped. With a gated mutator, all changes are made then: the gate submits with
// io_submit(2), has the mutator make one change, calls io_getevents(2), and waits until
// the mutator has restored what it restores. A free-running mutator is only known to
// have changed the buffer between the sum and the return of the write; the change may
// have come before the submission.
//
// The negative control is Raw through the page cache, gated: the kernel has copied the
// buffer before the submission returns, so no write may be torn.
package repro
