// Package watch finds the programs on a machine whose writes change while they are
// in flight: two eBPF programs sum the pages of each write when it is queued for a
// device and again when it completes. Nothing is changed about programs, files or
// devices, and nothing of it is left when the process ends, by whatever means.
//
// # What is seen
//
// A write is one bio, at the highest device that it comes to. What layers below
// make of it (dm, md, a loop device) is not counted once more. It is looked at from
// block_bio_queue, after a file system took its own checksum and after I/O
// throttling, to block_rq_complete or block_bio_complete, before its submitter
// can know. So a change that is seen was made in flight. What is not seen:
//
//   - changes before queueing, as during the sum of a checksumming file system;
//   - changes that were restored before the write completed;
//   - writes that become no bio (NFS, FUSE, tmpfs) or bypass them (SG_IO, NVMe
//     passthrough, SPDK).
//
// Seeing none of n writes change bounds the share that do: below 3/n, with 95 %
// confidence, for the writes of that program at that time. It does not acquit the
// program. A program that is guarded, throttled, or slowed down by being watched
// changes fewer.
//
// A change in flight is not yet torn data: that takes a layer that sums or mirrors
// what it writes. Findings says which one is below, or that none is.
//
// # What is counted
//
// A block is a piece of a write within one page of memory, 4 KiB or less; every byte
// of it is summed. A write of more than 256 blocks, or Options.MaxBlocks, is looked
// at in part, from a random block on, and counted as truncated. What should have
// been looked at and was not, or not to its end, is counted as untraced: no room for
// more writes in flight (8192), memory that cannot be read, a processor that was at
// three others. Completions that the kernel calls no program for are counted, too:
// measured on a virtual machine with Linux 6.18, one in some ten thousand, in bursts,
// all of them in soft interrupts of a few threads of its system. The kernel's own trace
// has them.
// Coverage is part of every verdict: without writes, or with any that is
// untraced, there is none.
//
// Writes are attributed to the process that submitted them, in its thread or by an
// io_uring worker; those that a thread of the kernel submitted, as under I/O
// throttling, to the control group of the bio.
//
// Direct is what is written from memory of a program: anonymous, shared or mapped.
// Swap, the page cache and metadata may change lawfully, and are looked at only with
// Options.All. Before Linux 6.5 direct writes from mapped files cannot be told from
// the page cache and are counted there.
//
// # What it costs
//
// About 0.6 µs for each block and look, and 2 µs for each write. A completion, often
// in a hard interrupt, looks at 256 blocks at most: some 170 µs. Options.Sample looks
// at fewer writes; one that is passed over costs about 0.5 µs. Room for writes in
// flight takes some 25 MB.
//
// # What it needs
//
// Linux 6.1 or later on amd64 with BTF, root in the PID namespace of the host, and
// no lockdown for confidentiality. Anything else is an error of Start that says what
// to do. It reads the memory of writes, and for calibration addresses where memory
// may begin; what it keeps are sums, and it gives none away.
//
// The program in the kernel, bpf/watch.bpf.c, is licensed under the GPL 2.0: the
// kernel gives its helpers to no other.
package watch
