// Package stablewrite writes buffers that others may be changing, with direct
// I/O (O_DIRECT), and returns a receipt that is true of the media.
//
// # What is not promised
//
//   - No strategy makes a consistent snapshot of a buffer that is being
//     changed. The bytes on the media may mix versions; the receipt says which
//     bytes they are, not that they make sense.
//   - [Verify] and [Detect] compare two moments. A change that was restored
//     between them (A-B-A) can leave bytes on the media that no receipt
//     describes. [Bounce] and [Buffered] do not have this hole.
//   - Under these two a crash before Sync, of the machine or of the process
//     before it resubmitted, can leave torn blocks: the crash window.
//   - Nothing is ordered against writers in other processes, nor against other
//     names of the same bytes: a partition and its disk, a loop device and its
//     file. Within a process, Files on one inode or block device are ordered.
//   - A receipt speaks of the media at the moment the write returned. A write
//     that overlaps it makes it history.
//   - A write is not atomic. One that fails, or is cut short by a crash, may
//     have landed in part; a [WriteError] says in which.
//   - A write in flight cannot be cancelled; no method takes a context.
//   - [Raw] promises nothing; it is the measure of the others.
//
// # Ownership
//
// A buffer given to [File.WriteAt], [File.Do] or [Queue.Start] is read until the
// write has returned, never written, and not kept. It may change meanwhile: that
// is what the package is for. Under the race detector memory of the Go heap that
// changes is reported all the same, and rightly: only memory that Go does not
// manage, or the kernel's or another process's hand, is exempt from its memory
// model. A [Stream] has copied what it was given when Write returns.
//
// Copies are made in memory of a [Pool], which bounds it. A write reserves what
// it may need before it submits anything, so a full Pool delays the start of a
// write and never its end. What waits for a range that another write holds has
// its reservation already: enough such writes keep a Pool busy, and disjoint
// ones, and reads that need private memory, wait for it. Streams have memory of
// their own.
//
// # Ordering
//
// From the first submission to the last resubmission of a write its range is
// locked against other writes of the process to the same file, so a
// resubmission never overwrites a newer write. Disjoint writes do not wait for
// each other's range. Reads wait for none: one that overlaps a write sees what
// the device has, before or after a resubmission.
//
// A write longer than Options.SegmentBytes goes out in segments, several at a
// time, so that one is summed while others are in flight. Where it makes the
// file longer they go out in order, so that a write that is cut short leaves no
// hole before data. Writes that are under way together, of several goroutines or
// of a [Queue], are ordered only where they overlap, and then in any order.
// Create, and OpenFile with O_TRUNC, empty a file before or after a write of the
// process, not in its middle.
//
// # Durability and the crash window
//
// A write returns when its last submission landed. [File.Sync] covers writes
// that returned before it began. A failed Sync is sticky: the kernel may have
// dropped what it could not write, so every later Sync, and Close, returns the
// error again. Sync does not cover the name of a newly created file; sync its
// directory for that.
//
// Under Verify and Detect the crash window of a write is open from its first
// submission, which may carry anything that the buffer held meanwhile, until the
// first Sync that succeeds after the write returned: until then a volatile cache
// may have kept the first submission and lost the resubmission.
// What is on the media after a crash in the window matches no sum that anybody
// holds: btrfs of Linux 6.1 then fails to read it, the legs of a mirror differ.
// Under Bounce a crash does what it does to any write.
//
// # When to choose what
//
// Choose Bounce whenever changes may be restored, when a crash must not leave
// torn blocks, or under fabrics where a write that timed out may land after its
// retry. Choose Verify, the zero value, where changes are rare and not restored,
// and the copy is too dear. Choose Detect, with aligned buffers ([AlignedBuffer]),
// to learn that a program violates stable pages rather than to heal it;
// Options.OnChanged tells it of Verify. Choose Buffered where the page cache is
// welcome. [Strategy.Promise] holds all of this as data.
//
// # Words
//
// Changed: the writer saw the buffer differ after the submission. Resubmit:
// submit once more, from private memory. In flight: after a submission was
// accepted, before its completion was reaped. Torn: the media is not what the
// receipt says. Block: 4096 bytes of the file, on the file's grid.
package stablewrite
