// Package mutator changes a buffer while somebody else writes it to a device.
//
// A mutator runs in another process, which shares the buffer through a memfd, or
// in a thread of this one. It runs free, changing the buffer whenever it does,
// as the reproducer of 2011 did; or gated: it changes only when told to, and
// says when it has. Only a gated change is known to be in flight, because the
// harness asks for it between the submission and the reaping of the completion.
// Of a free-running mutator a sequence number tells which writes it overlapped.
//
// Every program that starts a mutator in another process calls [Main] first, in
// main and in TestMain: the other process is the same program, started again.
// It ignores SIGINT and its kin and exits when its parent does, however that
// comes about.
package mutator
