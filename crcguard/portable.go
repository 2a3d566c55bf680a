package crcguard

import (
	ieee "hash/crc32"

	"github.com/klauspost/crc32"
)

// This file is the seam for faster kernels: the functions below are all that
// the rest of the package knows of how sums come about. Whatever replaces them
// keeps their rule: the sum of a copy is of the bytes that were stored, never
// of a source that others write to.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// digest is what a Guard compares blocks by: wide enough for a 128-bit fold.
type digest [2]uint64

func update(sum uint32, p []byte) uint32 { return crc32.Update(sum, castagnoli, p) }

// sumBlocks stores per-block sums of p in sums and returns the whole sum.
func sumBlocks(p []byte, sums []uint32) (whole uint32) {
	for i := 0; len(p) > 0; i++ {
		n := min(BlockSize, len(p))
		sums[i] = update(0, p[:n])
		whole, p = Combine(whole, sums[i], int64(n)), p[n:]
	}
	return whole
}

// digestBlocks is sumBlocks that stores digests too. It reads each block twice.
// A change between the two reads cannot hide: the second read is the later, so
// what a Guard compares afterwards is compared with a digest half that is no
// older than the sum.
func digestBlocks(p []byte, sums []uint32, digests []digest) (whole uint32) {
	for i := 0; len(p) > 0; i++ {
		n := min(BlockSize, len(p))
		sums[i], digests[i] = digestBlock(p[:n])
		whole, p = Combine(whole, sums[i], int64(n)), p[n:]
	}
	return whole
}

// digestBlock returns the sum and the digest of one block.
func digestBlock(p []byte) (uint32, digest) {
	sum := update(0, p)
	// The standard library's CRC-32 is the faster of the two: 41 against 14
	// GB/s for a block in the cache (Go 1.26, klauspost/crc32 v1.3.0, a Sapphire
	// Rapids Xeon). Their CRC-32C are alike.
	return sum, digest{uint64(sum)<<32 | uint64(ieee.ChecksumIEEE(p))}
}

// copySum copies src to dst and returns the sum of dst. The sum is taken of dst,
// never of src: src may be another by then.
func copySum(dst, src []byte) uint32 {
	copy(dst, src)
	return update(0, dst)
}

// copyBlocks is copySum with per-block sums, block by block so that each is
// summed while it is in the cache.
func copyBlocks(dst, src []byte, sums []uint32) (whole uint32) {
	for i := 0; len(src) > 0; i++ {
		n := min(BlockSize, len(src))
		sums[i] = copySum(dst[:n], src[:n])
		whole, dst, src = Combine(whole, sums[i], int64(n)), dst[n:], src[n:]
	}
	return whole
}
