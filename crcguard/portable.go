package crcguard

import (
	"hash/maphash"

	"github.com/klauspost/crc32"
)

// This file has the kernel for machines without another. It also sums partial blocks on
// all machines.

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

// blocksPortable goes block by block, so that a copy is summed while it is in the cache.
func blocksPortable(sum uint32, dst, p []byte, sums []uint32, digests []digest) uint32 {
	for i := 0; len(p) > 0; i++ {
		block := p[:BlockSize]
		if dst != nil {
			block, dst = dst[:copy(dst[:BlockSize], p)], dst[BlockSize:]
		}
		of := update(0, block)
		if sums != nil {
			sums[i] = of
		}
		if digests != nil {
			digests[i] = digestOf(of, block)
		}
		sum, p = Combine(sum, of, BlockSize), p[BlockSize:]
	}
	return sum
}
