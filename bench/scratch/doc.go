// Package scratch opens what the tools write to, and decides what they may
// overwrite.
//
// A file is ours if this run created it, with O_EXCL; it is removed at the end.
// An existing file or a block device is somebody's: it is overwritten only by
// force, and never removed. A block device is opened exclusively even then,
// which the kernel refuses while it is mounted or otherwise in use. Two runs never
// share a file: each holds a flock(2) on its own.
package scratch
