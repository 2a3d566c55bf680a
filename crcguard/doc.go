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
// buffer in several parts of memory, if every part except the first begins at a block.
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
// overlap, parts of a buffer that divide a block, and negative offsets. An empty buffer
// has sum 0 and no blocks. Only a Guard allocates, when it grows to the largest buffer
// that it has guarded. As with hash/crc32, buffers escape to the heap. The race detector
// sees the reads and writes.
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
// The first two compute a CRC by folding. Complement the first four bytes of a block and
// read the block as a polynomial over GF(2), its first bit the highest coefficient. The
// complement of its CRC is the remainder of x^32 times the block modulo P, the polynomial
// of the CRC. Eight bytes H of the block have the value H*x^n at a place n bits later,
// and x^n modulo P is a constant of 32 bits. Carry-less multiplication of H by the
// constant gives 96 bits, which can be added (xor) to the sixteen bytes at the later
// place. H is then no longer needed, and modulo P nothing changed. An accumulator of
// sixteen bytes is two such H, each with its own constant. It folds itself into later
// bytes again and again, to the end of the block. Each multiplication waits for the one
// before, so several accumulators work side by side: 16 in four registers of 64 bytes, or
// eight in registers of 16. At the end all accumulators are moved to the place of the
// last and added up. The resulting sixteen bytes are the digest; the CRC instruction
// reduces them modulo P to the sum. Only the sum of all blocks is carried from block to
// block: it is multiplied by x^(8*4096) before the sum of the next block is added.
//
// Without AVX-512, folding is no faster than the CRC instruction. There sums and copies
// fold 48 bytes, leave the next 80 to the CRC instruction, and so on: two units of the
// processor work on one stream. To continue the CRC, the sum of the 80 bytes is added to
// the next four bytes. A change within the 80 bytes can vanish in 32 bits, so digests
// fold everything, and take longer.
//
// Loads are in order of address, in one stream. hash/crc32 reads three streams far apart,
// to make the CRC instruction fast, and memory delivers these at half the speed. But
// memory delivers a few neighbouring pages, a line of each in turn, faster than one
// page after the other. So while a block is loaded in order, prefetch instructions
// fetch a quarter of each of the next four blocks in turn. On cold memory that made sums
// 1.08 to 1.22 times as fast as fetching 2 KiB ahead (Emerald Rapids, 64 KiB and 1 MiB);
// hot ones did not differ by more than 3 %. Copies of the kernel sse42 fetch 2 KiB ahead,
// in order, because short copies were slower otherwise. Nothing is fetched past the last
// block of a call.
//
// Every byte of a source is loaded once, and the loaded byte is both stored and summed.
// So the sum of a copy is true even while the source changes: a second load could find
// another byte. The portable kernel, and copies of partial blocks, sum the destination.
// Only digests of the portable kernel, and of partial blocks, load each byte twice, once
// for each half; after a change in between that stays, the older half differs.
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
// GB/s of source, measured by make bench-crc on one core of an Emerald Rapids Xeon with
// 2 MiB of second-level cache (a virtual machine with 2 cores, other programs beside it,
// pages of 4 KiB, kernel avx512; medians of 6 to 8 rounds). Cold is a walk through 1
// GiB. The first line is the fastest of nine loops that only read; it reads all of the
// memory in one call.
//
//	                          hot 4K   64K    1M   cold 4K   64K    1M
//	reading                      237   121   126      16.6  15.7  14.1
//	ISA-L 2.30 crc32_iscsi        72    68    74      11.1   9.8  10.1
//	hash/crc32                    22    18    21       5.7   5.3   6.2
//	Checksum                      74    69    81      11.1  15.2  13.8
//	ChecksumBlocks                70    70    82      10.4  14.8  15.4
//	Guard.Arm                     65    69    81      10.5  13.9  14.0
//
//	libc memcpy, no sum          117    35    18      11.8  10.4   8.8
//	copy and hash/crc32           16    13     9       5.9   6.6   6.5
//	CopyBlocks                    62    33    17       9.7  12.8  11.5
//	CopyBlocksColdAt               9    16    16       6.0  10.1  11.8
//
// Cold copies go to one buffer. From cold to cold memory, at 64 KiB and 1 MiB,
// CopyBlocks reaches 0.95 and 0.99 of memcpy, and CopyBlocksColdAt 1.5 and 2.0.
package crcguard
