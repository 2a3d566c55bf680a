// Package mutator changes a buffer while somebody else writes the buffer to a device.
//
// A mutator runs in another process, which shares the buffer through a memfd, or in a
// thread of this process. It runs free, as in the reproducer of 2011, or gated: then
// it makes a change when asked, and reports when the change is made. Only a gated
// change is known to be in flight, because the harness asks for it between submission
// and completion. For a free-running mutator, a sequence number tells which writes its
// changes overlapped.
//
// Every program that starts a mutator in another process calls [Main] first, in main
// and in TestMain: the other process is the same program, started again. It ignores
// signals that ask for an end, and exits when its parent exits or is killed.
package mutator
