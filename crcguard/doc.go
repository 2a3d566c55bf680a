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
// byte, and its first block ends at the next multiple of BlockSize in the file.
//
// A sum is the CRC-32C of RFC 3720 (Castagnoli polynomial 0x1EDC6F41, bit
// reflected, initial value and final xor 0xFFFFFFFF), the one that hash/crc32,
// iSCSI, btrfs and ext4 use. A digest is what a Guard compares blocks by. It
// does not rest on CRC-32C alone, because CRC is linear: a page that ends in
// its own CRC-32C, as pages of many databases do, has the same CRC-32C in
// every valid version. The portable digest pairs it with CRC-32 (IEEE).
//
// # Ownership
//
// Buffers are read during the call only. Slices of sums belong to the caller.
// Functions panic where a destination or a slice of sums is too short, where
// source and destination overlap, and at negative offsets, as those of
// crypto/cipher do: these are bugs of the caller, not of the data.
// Nothing allocates, but for a Guard that grows to the largest buffer it has
// guarded.
package crcguard
