// Package crcguard computes CRC-32C of memory that others may be writing to, and
// detects changes of such memory.
//
// It is the arithmetic under package stablewrite: a writer arms a [Guard] over a
// buffer, submits the buffer, and asks the Guard which blocks have changed; or it makes
// a private copy together with the sum of that copy.
//
// # What is not promised
//
//   - If memory changes during the call, its sum mixes bytes of several moments. Only
//     memory that nobody else writes has a sum that stays true. [Copy] and [CopyBlocks]
//     make such memory, and return its sum.
//   - A Guard compares two moments. Like every checksum, it cannot see a change that was
//     restored between them (A-B-A).
//   - Nothing here is cryptographic. The digest of a Guard resists chance and data that
//     carries its own CRC-32C; it does not resist an adversary.
//
// # Words
//
// A block is [BlockSize] bytes. Buffers are divided into blocks from their start; the
// last block may be short. The functions ending in At take the file offset of the
// buffer and divide it at multiples of BlockSize in the file. A Guard also accepts a
// buffer in several parts of memory, if each part but the first begins at a block.
//
// A sum is the CRC-32C of RFC 3720 (Castagnoli polynomial 0x1EDC6F41, bit reflected,
// initial value and final xor 0xFFFFFFFF), which hash/crc32, iSCSI, btrfs and ext4 use.
// A Guard compares blocks by their digests. A digest does not rely on CRC-32C alone,
// because CRC is linear: a page that ends in its own CRC-32C, as pages of many
// databases do, has the same CRC-32C in every valid version.
//
// # Ownership
//
// Functions read buffers during the call only. Slices of sums belong to the caller.
// Like the functions of crypto/cipher, functions panic on bugs of the caller: a
// destination or a slice of sums that is too short, source and destination that
// overlap, parts of a buffer that divide a block, and negative offsets. The sum of no
// bytes is 0, and no bytes have no blocks. Only a Guard allocates, when it grows to the
// largest buffer that it has guarded. As with hash/crc32, buffers escape to the heap.
// The race detector sees the reads and writes.
//
// # Kernels
//
// A kernel processes whole blocks. The processor decides which when the program starts;
// [Kernel] names it:
//
//	avx512    AVX-512 F and VL, VPCLMULQDQ
//	sse42     SSE 4.2, PCLMULQDQ
//	portable  Go: klauspost/crc32, on amd64 and arm64 with the CRC instructions
//
// The environment variable CRCGUARD_KERNEL selects another kernel, for tests and
// benchmarks, if the processor supports it. The build tag purego leaves the first two
// out (klauspost/crc32 and hash/crc32 still have assembly). Partial blocks at the ends
// of a buffer are summed by klauspost/crc32 under every kernel. On arm64 the portable
// kernel is tested under emulation, and was not measured.
//
// The first two compute a CRC by folding. Complement the first four bytes of a
// block and read it as a polynomial over GF(2), its first bit the highest
// coefficient: the complement of its CRC is the remainder, modulo P, the polynomial
// of the CRC, of x^32 times it. Now take eight bytes H of it, and some bytes that
// end n bits after them. H is H*x^n there, and modulo P x^n is a polynomial of
// 32 bits, known beforehand. Carry-less multiplication of H by it gives 96 bits,
// which can be added (xor) to the sixteen bytes there: H is then no longer needed, and
// modulo P nothing changed. An accumulator of sixteen bytes is two such H, each with
// another constant. It goes through the block in this way, adding itself to sixteen
// bytes further on, over and over. Each multiplication waits for the one before, so
// several accumulators work next to each other: 16 in four registers of 64 bytes, or
// eight in registers of 16. At the end all accumulators are moved to the place of the
// last and added up. The resulting sixteen bytes are the digest; the CRC instruction
// reduces them modulo P to the sum. Only the sum of all blocks is carried from block to
// block: it is multiplied by x^(8*4096) before the sum of the next block is added.
//
// Without AVX-512, folding is no faster than the CRC instruction. There sums and copies
// fold 48 bytes and leave the next 80 to the CRC instruction, and so on, so that two
// units of the processor work on one stream. To continue the CRC, the sum of the 80 is
// added to the first four of the bytes that follow. A change within the 80 bytes can
// vanish in 32 bits, so digests fold everything, and take longer.
//
// Loads are in order of address, in one stream. hash/crc32 makes the CRC instruction
// fast with three streams far apart, which memory delivers at half the speed. But
// memory delivers a few neighbouring pages, a line of each in turn, faster than one
// page after the other. So while a block is loaded in order, prefetch instructions
// fetch a quarter of each of the next four blocks in turn. Copies of the kernel sse42
// fetch 2 KiB ahead, in order, because short copies were slower otherwise. Nothing is
// fetched past the last block of a call.
//
// Every byte of a source is loaded once, and the loaded byte is both stored and summed.
// So the sum of a copy is true even while the source changes: a second load could find
// another byte. The portable kernel, and copies of partial blocks, sum the destination.
// Only the digest of the portable kernel, and of partial blocks, loads twice, once for
// each half; after a change in between that stays, the older half differs.
//
// A call of assembly takes at most 256 KiB, because nothing can interrupt it.
//
// # What a digest detects
//
// The digest of a kernel that folds is, but for a constant, a linear function of the
// block onto 128 bits. It detects every change within eight bytes. Of changes that do
// not touch the last 256 bytes it misses one in 2^95; of changes that keep a CRC-32C of
// the block valid, at worst one in 2^63. Tests establish these ranks from the effect of
// single bits. Changes that it misses can be constructed.
//
// The portable digest, also of partial blocks, is CRC-32C with hash/maphash, seeded by
// the process: 64 bits that are independent of CRC.
//
// # Stores of a copy
//
// A copy of 2 MiB or more of whole blocks bypasses the caches (non-temporal stores), if
// its destination is aligned to 64 bytes: with its source it would not fit the
// second-level cache of usual processors. The next reader waits for memory. A shorter
// copy goes through the caches, which is faster if the source is cached, or the
// destination, as a reused buffer may be. [CopyCold] and [CopyBlocksColdAt] are for
// callers who know that neither is cached.
//
// # Figures
//
// GB/s of source (2026-11-26, a virtual machine with 2 cores of an Emerald Rapids
// Xeon, 2 MiB of second-level cache each, other programs beside it, Go 1.26.8, pages
// of 4 KiB; one core, kernel avx512; the program of make bench-crc). Figures for 4 and
// 64 KiB are medians of 6 rounds. Those for 1 MiB are of 8 rounds of a second run,
// because other programs disturbed that part of the first. Cold is a walk through 1
// GiB. The first line is the fastest of nine loops that only read, chosen before the
// rounds; it reads all of the memory in one call.
//
//	                          hot 4K   64K    1M   cold 4K   64K    1M
//	reading                      237   121   126      16.6  15.7  14.1
//	ISA-L 2.30 crc32_iscsi        72    68    74      11.1   9.8  10.1
//	hash/crc32                    22    18    21       5.7   5.3   6.2
//	Checksum                      74    69    81      11.1  15.2  13.8
//	ChecksumBlocks                70    70    82      10.4  14.8  15.4
//	Guard.Arm                     65    69    81      10.5  13.9  14.0
//
//	                          hot 4K   64K    1M   cold 4K   64K    1M
//	libc memcpy, no sum          117    35    18      11.8  10.4   8.8
//	copy and hash/crc32           16    13     9       5.9   6.6   6.5
//	CopyBlocks                    62    33    17       9.7  12.8  11.5
//	CopyBlocksColdAt               9    16    16       6.0  10.1  11.8
//
// Cold copies go to one buffer. From cold to cold memory, at 64 KiB and 1 MiB,
// CopyBlocks reaches 0.95 and 0.99 of memcpy, and CopyBlocksColdAt 1.5 and 2.0. Fetching
// ahead does not help with a single block of cold memory.
//
// Fetching four pages in turn was compared with fetching 2 KiB ahead, in rounds of
// 16 MiB in random order. Ratios are medians, with quartiles; n is the rounds:
//
//	                              to 2 KiB ahead        to ISA-L              n
//	sums, avx512, cold 64 KiB     1.16 (1.12 to 1.22)   1.39 (1.33 to 1.48)   75
//	sums, avx512, cold 1 MiB      1.19 (1.17 to 1.21)   1.44 (1.38 to 1.49)   75
//	sums, avx512, hot 64 KiB      0.97 (0.94 to 1.01)                        151
//	sums, avx512, hot 1 MiB       1.03 (0.99 to 1.08)                        151
//	sums, sse42, cold 64 KiB      1.08 (1.03 to 1.14)   1.35 (1.23 to 1.40)   41
//	sums, sse42, cold 1 MiB       1.22 (1.12 to 1.29)   1.49 (1.27 to 1.56)   41
//	digests, sse42, cold 1 MiB    1.15 (1.12 to 1.21)   1.32 (1.27 to 1.36)   41
//	copies, avx512, cold 64 KiB   1.16 (1.14 to 1.19)                         41
//	copies, avx512, cold 1 MiB    1.04 (0.97 to 1.14)                         41
//
// The avx512 kernel that fetches 2 KiB ahead, against itself, had 1.00 or 1.01, quartiles
// 0.94 to 1.05. Fetching four pages in turn was not measured on other processors.
//
// These were not faster: 4 KiB ahead instead of 2; fetching into the second-level cache
// only, in order or by pages; calls of 1 MiB; and, in a version in C, one fold over a
// whole call instead of one for each block, and 8 KiB ahead.
package crcguard
