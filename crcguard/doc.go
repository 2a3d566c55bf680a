// Package crcguard computes CRC-32C of memory that others may be writing to,
// and notices when such memory changed.
//
// It is the arithmetic under package stablewrite: a writer arms a [Guard] over
// a buffer, submits the buffer, and asks the Guard which blocks changed
// meanwhile; or it takes a private copy together with the sum of that copy.
//
// # What is not promised
//
//   - A sum of memory that changes during the call is the sum of no moment:
//     parts of it are older than others. Only memory that nobody else writes
//     has a sum that stays true. [Copy] and [CopyBlocks] make such memory, and
//     their sum is of it.
//   - A Guard compares two moments. A change that was restored between them
//     (A-B-A) is invisible to it, as it is to every checksum.
//   - Nothing here is cryptographic. A Guard's digest resists chance and data
//     that carries its own CRC-32C; it does not resist an adversary.
//
// # Words
//
// A block is [BlockSize] bytes. A buffer is divided into blocks from its start,
// the last one possibly short; the functions ending in At divide it where the
// file it belongs to would: they take the file offset of the buffer's first
// byte, and its first block ends at the next multiple of BlockSize in the file. A
// Guard also takes a buffer that lies in several parts of memory, if each part but
// the first begins where a block does.
//
// A sum is the CRC-32C of RFC 3720 (Castagnoli polynomial 0x1EDC6F41, bit
// reflected, initial value and final xor 0xFFFFFFFF), the one that hash/crc32,
// iSCSI, btrfs and ext4 use. A digest is what a Guard compares blocks by. It
// does not rest on CRC-32C alone, because CRC is linear: a page that ends in
// its own CRC-32C, as pages of many databases do, has the same CRC-32C in
// every valid version.
//
// # Ownership
//
// Buffers are read during the call only. Slices of sums belong to the caller.
// Functions panic where a destination or a slice of sums is too short, where
// source and destination overlap, where parts of a buffer divide a block, and at
// negative offsets, as those of crypto/cipher do: these are bugs of the caller, not
// of the data. The sum of no bytes is 0, and they have no blocks.
// Nothing allocates, but for a Guard that grows to the largest buffer it has
// guarded; buffers, as those of hash/crc32, do not stay on the caller's stack.
// The race detector is told what is read and written.
//
// # Kernels
//
// Whole blocks are the business of a kernel, chosen when the program starts by
// what the processor has; [Kernel] names it:
//
//	avx512    AVX-512 F and VL, VPCLMULQDQ
//	sse42     SSE 4.2, PCLMULQDQ
//	portable  Go: klauspost/crc32, on amd64 and arm64 with the CRC instructions
//
// The environment variable CRCGUARD_KERNEL names another, for tests and
// benchmarks; one that the processor lacks is not used. The build tag purego
// leaves the first two out (klauspost/crc32 and hash/crc32 have assembly of
// their own). What is not a whole block, at the ends of a buffer, is summed by
// klauspost/crc32 whatever the kernel. On arm64 the portable kernel is tested
// under emulation, and was not measured.
//
// The first two compute a CRC by folding. Complement the first four bytes of a
// block and read it as a polynomial over GF(2), its first bit the highest
// coefficient: the complement of its CRC is the remainder, modulo P, the polynomial
// of the CRC, of x^32 times it. Now take eight bytes H of it, and some bytes that
// end n bits after them. H is H*x^n there, and modulo P x^n is a polynomial of
// 32 bits, known beforehand. Carry-less multiplication of H by it gives 96 bits,
// which can be added (xor) to sixteen bytes that lie there: H is done with, and
// modulo P nothing changed. An accumulator of sixteen bytes is two such H, each
// with a constant of its own. It goes through the block in this way, adding
// itself to sixteen bytes further on, over and over. Because each multiplication
// waits for the one before, several accumulators do, next to each other: 16 of them
// in four registers of 64 bytes, or eight in registers of 16. At the end all but the
// last are moved to the place of the last and added up. The sixteen bytes that are
// left are the digest. The CRC instruction takes them modulo P: that is the sum.
// Nothing is carried from block to block but the sum of all, which is multiplied by
// x^(8*4096) before the next block's is added.
//
// Without AVX-512 folding is no faster than the CRC instruction. There sums and copies
// fold 48 bytes and leave the next 80 to the CRC instruction, and so on: two
// units of the processor, at work on one stream. The sum of the 80 is added to
// the first four of the bytes that follow, which is what it means to continue a
// CRC. But what a change does to 80 bytes can vanish in 32 bits, so digests fold
// everything, and take longer.
//
// Loads are in order of address, of one stream. Three streams far apart are how the
// CRC instruction alone is made fast (hash/crc32); memory delivers them at half the
// speed. But memory delivers a few pages that lie side by side, a line of each in turn,
// faster than one page after the other. So while a block is loaded in order, a quarter
// of each of the four blocks after it is fetched into the caches (prefetch
// instructions), in turn. Copies of the kernel sse42 fetch 2 KiB ahead, in order,
// because their short copies were slower otherwise. Nothing is fetched past the last
// block of a call.
//
// Every byte of a source is loaded once, and what was loaded is both stored and
// summed. That is why the sum of a copy is the sum of the copy even while the
// source changes: a second load could find another byte. The portable kernel, and
// what copies parts of blocks, sums the destination. Only the digest of that
// kernel, and of parts of blocks, takes two loads, one for each half; what changes
// in between, and stays, differs from the half that is older.
//
// A call of assembly takes at most 256 KiB, because nothing can interrupt it.
//
// # What a digest sees
//
// The digest of a kernel that folds is, but for a constant, a linear function of the
// block onto 128 bits. No change within eight bytes is missed. Of changes that leave
// the last 256 bytes alone one in 2^95 is, of those that keep a CRC-32C of the block
// valid one in 2^63 at worst; tests establish these ranks by what single bits do.
// Changes that are missed can be constructed.
//
// The portable digest, also that of parts of blocks, is CRC-32C with hash/maphash,
// whose seed is the process's own: 64 bits that have nothing to do with CRC.
//
// # Stores of a copy
//
// A copy of whole blocks of 2 MiB or more goes past the caches (non-temporal
// stores), if the destination is aligned to 64 bytes where they begin: with its
// source it would not fit the second-level cache of usual processors. Who reads it
// next will wait for it. A shorter one goes through the caches: that is faster if the
// source is in them, or if the destination is, as a buffer that is used again and
// again may be. A caller who knows that neither is has [CopyCold] and
// [CopyBlocksColdAt].
//
// # Figures
//
// GB/s of source (2026-11-26, a virtual machine with 2 cores of an Emerald Rapids
// Xeon, 2 MiB of second-level cache each, other programs beside it, Go 1.26.8, pages
// of 4 KiB; one core, kernel avx512; the program of make bench-crc). Figures for 4 and
// 64 KiB are medians of 6 rounds. Those for 1 MiB are of 8 rounds of a second run,
// because other programs disturbed that part of the first. Cold is a walk through 1
// GiB. The first line is the fastest of nine loops that only read, chosen before the
// rounds; it walks without steps.
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
// Cold copies are to one buffer. From cold to cold memory, 64 KiB and 1 MiB,
// CopyBlocks has 0.95 and 0.99 of memcpy, and CopyBlocksColdAt 1.5 and 2.0. A lone
// block of cold memory gains nothing from what is fetched ahead.
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
// The avx512 kernel that fetches 2 KiB ahead had 1.00 or 1.01 of itself, quartiles 0.94
// to 1.05. Fetching four pages in turn was not measured on other processors.
//
// None of these was faster than what is done now: 4 KiB ahead instead of 2; fetching
// into the second-level cache only, in order or by pages; calls of 1 MiB; and, in a
// version in C, one fold over a whole call instead of one for each block, and 8 KiB
// ahead.
package crcguard
