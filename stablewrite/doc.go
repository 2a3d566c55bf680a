// Package stablewrite writes buffers that others may be changing, with direct
// I/O (O_DIRECT), and returns a receipt that is true of the media.
//
// To write at an offset, call [File.WriteAt]; for the receipt, call [File.Do].
// To keep many writes in flight from one goroutine, use a [Queue].
// To write bytes one after the other, of any length, use a [Stream].
// If you are free to choose a strategy, choose [Bounce]. The zero value, [Verify],
// is the fix proposed in 2011; this package exists to try it.
//
// # What is not promised
//
//   - No strategy makes a consistent snapshot of a buffer that is being
//     changed. The bytes on the media may mix versions. The receipt says which
//     bytes they are, not that they make sense.
//   - [Verify] and [Detect] compare two moments. A change that was restored
//     between them (A-B-A) can leave bytes on the media that no receipt
//     describes. [Bounce] and [Buffered] do not have this hole. A write with
//     Receipt.Tracked set does not have it for changes that [ByTracking] sees.
//   - Under Verify and Detect a crash before Sync can leave torn blocks: the crash
//     window. The crash may be of the machine, or of the process before it resubmitted.
//   - If another process, or an os.File, writes to the page cache of a page that a
//     ring has a direct write of in flight, it can undo that write and make Sync
//     fail: 396 of 1,113 fsyncs failed in a trial (ext4, Linux 6.18), 0 of 383 with
//     blocking calls. Set Options.Engine to ByCalls for files that are written both
//     ways. Files of the same process avoid this by themselves.
//   - A write that a process has in flight on a ring can land after the process was
//     killed. With Options.Lock the next process waits for it.
//   - Writes are not ordered against those of other processes, nor against writes to
//     the same bytes by another name: a partition and its disk, a loop device and
//     its file.
//   - A receipt describes the media at the moment the write returned. A later
//     write that overlaps it changes them.
//   - A write is not atomic. If it fails, or a crash interrupts it, a part of it may
//     have landed; a [WriteError] says which part.
//   - A write in flight cannot be cancelled; no method takes a context.
//   - [Raw] promises nothing; the others are compared with it.
//
// # Ownership
//
// A buffer given to [File.WriteAt], [File.Do] or [Queue.Start] is read until the
// write has ended, never written, and not kept. Others may change it meanwhile. If
// goroutines change Go heap memory, the race detector reports them, rightly: Go's
// memory model allows only changes by the kernel or another process, and of memory
// that Go does not manage. If a buffer cannot be read (a mapped file that was
// truncated), the write fails with EFAULT, as a system call would. A [Stream] has
// copied its argument when Write returns.
//
// # Ordering
//
// From the first submission to the last resubmission of a write its range is locked
// against other writes of the process to the same inode or block device, so a
// resubmission never overwrites a newer write. Writes that overlap go out in the
// order in which Do or Start was called; others do not wait for each other. Truncate
// and Preallocate wait as writes do. Reads do not wait: a read that overlaps a
// write may return bytes from before or after a resubmission.
//
// A summed write longer than Options.SegmentBytes goes out in segments, several at a
// time, so that one is summed while others are in flight. Segments that make the file
// longer go out in order, so that a write that fails leaves no hole before data.
// Create, and OpenFile with O_TRUNC, empty a file before or after a write of the
// process, not during one.
//
// # The crash window
//
// Under Verify and Detect the crash window of a write opens with its first
// submission, which may carry anything that the buffer held meanwhile. It closes with
// the first [File.Sync] that succeeds after the write returned: until then a volatile
// cache may have kept the first submission and lost the resubmission. After a crash
// in the window the media may match no sum at all: btrfs of Linux 6.1 then fails to
// read the block, and the legs of a mirror differ. Under Bounce a crash has the same
// effect as on any write.
//
// # When to choose what
//
// Choose Bounce whenever changes may be restored, when a crash must not leave torn
// blocks, or where the device is reached over a network (NVMe over Fabrics, iSCSI), so
// that a write that timed out may land after its retry. Its copy lies in huge pages, which cost the kernel less to submit than the small pages
// of most buffers: writes of 1 MiB and more, and of 64 KiB with several in flight, are
// usually no slower than under Raw.
//
// Choose Verify where changes are rare and not restored, and memory is scarce or the
// buffers lie in huge pages already ([AlignedBuffer], [Buffers]). DetectBy [ByTracking]
// also sees restored changes, in memory of [TrackedBuffer]; for writes of 1 MiB and
// more in huge pages it costs about as much as Bounce.
//
// Choose Detect, with aligned buffers, to learn that a program changes buffers in
// flight, and not to repair the write. Detect and Verify report changes to
// Options.OnChanged; the others do not look for any. Choose Buffered where the page
// cache is welcome.
// [Strategy.PromiseBy] returns these promises as data.
//
// # Errors
//
// An error of a call on a file wraps an [fs.PathError], which [errors.As] finds. Test
// errors with [errors.Is]: os.IsNotExist and the like do not unwrap. Op says what failed:
// "open", "reopen" ([New]), "write", "read", "sync", "stream", ... The exceptions are
// io.EOF, [ErrUnderWay], an error of the reader given to [Stream.ReadFrom], and errors of
// a File without a name: on a Device, nil or zero.
//
// A write that began and failed returns a [WriteError], which says how much of the write
// is on the media. Under Detect its cause can be [ErrChanged]. The errors below refuse a
// call before anything is written; [errors.Is] finds them:
//
//   - fs.ErrInvalid: Options or an argument that no file can take, a nil or zero File
//   - [ErrUnaligned]: an offset, a length or, under Raw, memory that is not aligned
//   - [ErrNotTracked]: Options.RequireTracking, and the buffer is not tracked. If it is
//     tracked no longer when a segment of it begins, this is the cause of a WriteError.
//   - [ErrNotDirect]: a file that refuses O_DIRECT, or that Options.RequireDirect refuses
//   - [ErrUnderWay]: a Write that is under way already
//   - fs.ErrPermission: a File opened for reading only, or for writing only
//   - os.ErrClosed: a File, Queue or Stream that was closed
//   - errors.ErrUnsupported: an operating system, kernel or Device that cannot do it
//
// Other errors are those of the kernel (a [syscall.Errno]) or of the Device.
//
// # Words
//
//   - Changed: the writer saw the buffer differ after the submission.
//   - Resubmit: submit once more, from private memory, of a [Pool].
//   - In flight: after a submission was accepted, before its completion was reaped.
//   - Torn: the media differ from the receipt.
//   - Tracked: the kernel notes which pages of the memory are written to.
//   - Armed: write-protected for tracking.
//   - Block: 4096 bytes of the file, on the file's grid.
//   - Segment: a part of a write that goes out as one submission.
package stablewrite
