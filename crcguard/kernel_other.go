//go:build !amd64 || !gc || purego

package crcguard

const built = false

func (k kernel) available() bool { return k == portable }

func (k kernel) sumBlocks(sum uint32, p []byte, sums []uint32, digests []digest) uint32 {
	return sumBlocksPortable(sum, p, sums, digests)
}

func (k kernel) copyBlocks(sum uint32, dst, p []byte, sums []uint32, stream bool) uint32 {
	return copyBlocksPortable(sum, dst, p, sums)
}
