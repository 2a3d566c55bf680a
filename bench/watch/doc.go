// Package watch finds the programs on a machine whose writes change while they are
// in flight: two eBPF programs sum the pages of each write when it is queued for a
// device and again when it completes. Watching changes no program, file or device. The
// kernel removes the eBPF programs when the process ends, even if it is killed.
//
// # Changes that are seen
//
// A write is one bio, at the highest device. The bios that layers below (dm, md, a loop
// device) make of it are not counted. A write is watched from block_bio_queue, after a
// file system computed its checksum and after I/O throttling, until block_rq_complete or
// block_bio_complete, before its submitter learns of the completion. So a change that is
// seen was made in flight. These are not seen:
//
//   - changes before queueing, for instance while a file system computes its checksum;
//   - changes that are restored before the write completes;
//   - writes that become no bio (NFS, FUSE, tmpfs) or bypass bios (SG_IO, NVMe
//     passthrough, SPDK).
//
// If 0 of n writes changed, the rate is below 3/n with 95 % confidence, for the writes of
// that program at that time. That does not acquit the program. A program that is guarded,
// throttled, or slowed down by watching changes fewer writes.
//
// A change in flight tears data only if a layer below sums or mirrors the data. Findings
// names that layer, if there is such a layer.
//
// # Counts
//
// A block is the part of a write in one page of memory, at most 4 KiB; every byte of a
// block is summed. Of a write with more than 256 blocks, or Options.MaxBlocks, only a part
// is looked at, from a random block on; the write is counted as truncated. A write is
// counted as untraced if it should have been looked at and was not, or not to its end:
// because there was no room for more writes in flight (8192), its memory could not be
// read, its processor was busy with three others, or the kernel called no program at its
// completion. The last was measured on a virtual machine with Linux 6.18: about one
// completion in ten thousand, in bursts, all in soft interrupts of a few threads of its
// system; the kernel's own trace has them. Without writes, or with an untraced write,
// there is no verdict of 0.
//
// A write is attributed to the process that submitted it, from its thread or an io_uring
// worker. A write that a thread of the kernel submitted, as under I/O throttling, is
// attributed to the control group of the bio.
//
// A write is direct if it is made from memory of a program: anonymous, shared or mapped.
// Swap, the page cache and metadata may change without harm; Options.All looks at them,
// too. Before Linux 6.5 direct writes from mapped files cannot be told from the page cache
// and are counted there.
//
// # Cost
//
// Each look at a block takes about 0.6 µs, and each write 2 µs. A completion, often in a
// hard interrupt, looks at 256 blocks at most: about 170 µs. With Options.Sample a write
// that is passed over takes about 0.5 µs. The room for writes in flight takes about 25 MB
// of memory.
//
// # Requirements
//
// Watching needs Linux 6.1 or later on amd64 with BTF, root in the PID namespace of the
// host, and no lockdown for confidentiality. Otherwise Start returns an error that says
// what to do. The eBPF programs read the memory of writes and, for calibration, addresses
// where memory may begin. They keep only sums, and no sum leaves this package.
//
// The program in the kernel, bpf/watch.bpf.c, is licensed under the GPL 2.0, because the
// kernel offers its helpers only to programs with that license.
package watch
