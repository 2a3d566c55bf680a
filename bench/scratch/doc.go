// Package scratch opens the files and devices that the tools write to, and decides
// what may be overwritten.
//
// A file is ours if this run created it, with O_EXCL; it is removed at the end. An
// existing file or a block device is overwritten only by force, and never removed. A
// block device is opened exclusively even then, which the kernel refuses while the
// device is mounted or otherwise in use. A read-only device, and one without a byte, are
// refused. Two runs never share a file: each run locks its files with flock(2). Extents
// tells where a file lies on its device.
package scratch
