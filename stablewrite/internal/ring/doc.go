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
//   - No completion is lost: no more submissions are in flight than the
//     completion queue has room for. A submission beyond that is [ErrFull].
//   - Wait needs no goroutine beside the one that calls it, and a submission
//     completes even if the thread that submitted it is busy elsewhere.
//   - A method called in a loop allocates nothing, unless it fails.
//   - The descriptor of a ring is closed on exec.
//
// # What is not promised
//
//   - Submissions are not ordered: they land and complete in any order.
//   - A result is the kernel's: the number of bytes written, which can be less
//     than asked, or a negative errno. The package repeats nothing. After
//     -ECANCELED, -EAGAIN and -EINTR nothing is known to have landed. -ECANCELED
//     comes when the thread that submitted has exited, which the Go runtime
//     may let it do.
//   - A submission cannot be cancelled, and outlives the process: after SIGKILL
//     and wait4(2) writes may still land.
//   - The kernel may hold the file open for a moment after the last completion
//     was reaped, so that a lock of flock(2) or a mount outlives close(2).
//   - A submission may block, as pwrite(2) may, while the device has no room.
//
// # Ownership
//
// The kernel reads a buffer, an array of [unix.Iovec] and what its elements point
// to until the completion was reaped. The caller keeps all of them reachable
// until then, and the array unchanged. The package keeps no reference. It makes
// the compiler place them on the heap, because a stack moves; memory that is not
// Go's stays mapped.
//
// # Concurrency
//
// Write, Writev, Nop, Reap and InFlight are called under one lock, which the
// caller has. Wait is called without that lock, at the same time as any of them,
// by one goroutine at a time. If another goroutine reaps meanwhile, Wait may
// return when there is no completion any more, or may wait for the next; a Nop
// wakes it. Close is called alone, and nothing after it.
//
// # Words
//
//   - submission: what one call of Write, Writev or Nop hands to the kernel.
//   - completion: the end of a submission, with its tag and result.
//   - in flight: submitted and not yet reaped.
//   - submission queue, completion queue: the two arrays that kernel and process
//     share (SQ and CQ in the kernel's documentation); a place in them is an entry.
//
// [unix.Iovec]: https://pkg.go.dev/golang.org/x/sys/unix#Iovec
package ring
