package crcguard

import (
	ieee "hash/crc32"

	"github.com/klauspost/crc32"
)

// This file is the kernel of machines that have no other, and does what is shorter
// than a block on all of them.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func update(sum uint32, p []byte) uint32 { return crc32.Update(sum, castagnoli, p) }

// digestOf returns the digest of p, whose sum is sum. It reads p a second time. A
// change since the first cannot hide: a Guard then compares with a half that is no
// older than the sum.
func digestOf(sum uint32, p []byte) digest {
	// The standard library's CRC-32 is the faster of the two: 41 against 14
	// GB/s for a block in the cache (Go 1.26, klauspost/crc32 v1.3.0, a Sapphire
	// Rapids Xeon). Their CRC-32C are alike.
	return digest{uint64(sum), uint64(ieee.ChecksumIEEE(p))}
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

// copyBlocksPortable goes block by block, so that each is summed while it is in the
// cache; of dst, because p may be another by then.
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
