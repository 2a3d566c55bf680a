// Package ring writes through io_uring(7) by raw system calls. A [Ring] takes
// submissions, hands them to the kernel one by one, and returns their
// completions.
//
// # Which call to use
//
// [Ring.Write], [Ring.Writev] and [Ring.Nop] submit. [Ring.Wait] blocks until
// there is a completion, [Ring.Reap] takes it. The tag of a submission comes back
// with its completion; the package does not look at it.
//
// # What is promised
//
//   - A submission is with the kernel when its method returns nil, and exactly
//     one completion follows. If the method returns an error, the kernel has not
//     taken the submission and no completion follows.
//   - No completion is lost: the number of submissions in flight is at most the
//     length of the completion queue. A submission beyond that returns [ErrFull].
//   - Wait needs no other goroutine, and a submission completes even if the thread
//     that submitted it is busy elsewhere.
//   - A method called in a loop allocates nothing, unless it fails.
//   - The descriptor of a ring is closed on exec.
//
// # What is not promised
//
//   - Submissions are not ordered: they land and complete in any order.
//   - A result is the kernel's: the number of bytes written, which can be less than
//     the length of the buffer, or a negative errno. The package repeats nothing.
//     After -ECANCELED, -EAGAIN and -EINTR nothing is known to have landed. The
//     result is -ECANCELED if the thread that submitted has exited; the Go runtime
//     ends threads.
//   - A submission cannot be cancelled, and outlives the process: after SIGKILL
//     and wait4(2) writes may still land.
//   - The kernel may hold the file open for a moment after the last completion
//     was reaped: a lock of flock(2) or a mount can outlive close(2).
//   - A submission may block, as pwrite(2) may, while the device has no room.
//
// # Ownership
//
// The kernel reads a buffer, an array of [unix.Iovec] and the memory that its elements
// point to until the completion was reaped. Until then the caller keeps all of them
// reachable, does not change the array, and does not unmap memory that is not Go's. The
// package keeps no reference. It makes the compiler place them on the heap, because a
// stack moves.
//
// # Concurrency
//
// Write, Writev, Nop and Reap are called under one lock of the caller. Wait is
// called without that lock, at the same time as any of them, by one goroutine at a
// time. If another goroutine reaps meanwhile, Wait may return when there is no
// completion any more, or may wait for the next; a Nop wakes it. No call runs at the
// same time as Close, or after it.
//
// # Words
//
//   - submission: an operation that one call of Write, Writev or Nop hands to the kernel.
//   - completion: the end of a submission, with its tag and result.
//   - in flight: submitted and not yet reaped.
//   - submission queue, completion queue: the two arrays that kernel and process
//     share (SQ and CQ in the kernel's documentation); a place in them is an entry.
//
// [unix.Iovec]: https://pkg.go.dev/golang.org/x/sys/unix#Iovec
package ring
