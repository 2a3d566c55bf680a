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
// speed. Memory is fetched 2 KiB ahead, but not past the last block.
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
// GB/s of source (2026-11-22, a virtual machine with 4 cores of a Sapphire Rapids
// Xeon, 2 MiB of second-level cache each, Go 1.26.8, pages of 4 KiB; one core,
// medians of 9 rounds, in the same rounds; make bench-crc). Cold is a walk through
// 1 GiB.
//
//	                          hot 4K  64K   1M  16M   cold 4K   64K    1M   16M
//	plain reading                224  148  146   29      15.2  15.4  15.6  15.7
//	ISA-L 2.30 crc32_iscsi        79   86   87   26      12.8  12.4  12.4  12.4
//	hash/crc32                    24   23   23   18       6.9   7.2   7.7   7.8
//	Checksum, avx512              82   89   89   29      13.5  15.3  15.4  15.8
//	Guard.Arm, avx512             74   89   90   29      11.7  15.4  15.8  15.7
//	Checksum, sse42               36   38   38   29      11.2  14.0  14.2  14.3
//	Guard.Arm, sse42              23   24   24   24       9.2  12.8  12.9  13.2
//
//	                          hot 4K  64K   1M  16M   cold 4K   64K    1M   16M
//	libc memcpy, no sum          132   42   27   13      16.1  12.5  11.5  10.0
//	copy and hash/crc32           20   16   13    7       7.8   8.0   7.9   6.1
//	CopyBlocks, avx512            74   37   25   17      11.8  13.2  12.1  10.7
//	CopyBlocksColdAt, avx512      11   19   20   18       8.3  10.7  11.1  10.8
//
// Cold copies are to one buffer. From cold to cold memory, 64 KiB and 1 MiB,
// CopyBlocks has 0.9 of memcpy, and CopyBlocksColdAt 1.5. On two and four cores, 1 MiB:
// Checksum has 1.0 of plain reading and 1.3 to 1.4 of ISA-L. A lone block of cold
// memory gains nothing from what is fetched ahead.
package crcguard
