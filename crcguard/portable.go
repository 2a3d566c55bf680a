package crcguard

import (
	"hash/maphash"

	"github.com/klauspost/crc32"
)

// This file has the kernel for machines without another, and sums partial blocks on all
// machines.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func update(sum uint32, p []byte) uint32 { return crc32.Update(sum, castagnoli, p) }

// seed seeds the digests of this process.
var seed = maphash.MakeSeed()

// digestOf returns the digest of p, whose sum is sum. The half that is not a CRC detects
// changes of a page that carries its own CRC-32C; another CRC of 32 bits would miss one
// in 2^32 of these. It reads p a second time: after a change in between that stays, the
// older half differs.
func digestOf(sum uint32, p []byte) digest {
	return digest{uint64(sum), maphash.Bytes(seed, p)}
}

func sumBlocksPortable(sum uint32, p []byte, sums []uint32, digests []digest) uint32 {
	for i := 0; len(p) > 0; i++ {
		block := update(0, p[:BlockSize])
		if sums != nil {
			sums[i] = block
		}
		if digests != nil {
			digests[i] = digestOf(block, p[:BlockSize])
		}
		sum, p = Combine(sum, block, BlockSize), p[BlockSize:]
	}
	return sum
}

// copyBlocksPortable goes block by block, so that each block is summed while it is in the
// cache. It sums dst, because p may have changed.
func copyBlocksPortable(sum uint32, dst, p []byte, sums []uint32) uint32 {
	for i := 0; len(p) > 0; i++ {
		block := update(0, dst[:copy(dst[:BlockSize], p)])
		if sums != nil {
			sums[i] = block
		}
		sum, dst, p = Combine(sum, block, BlockSize), dst[BlockSize:], p[BlockSize:]
	}
	return sum
}
