//go:build !amd64 || !gc || purego

package crcguard

const built = false

func (k kernel) available() bool { return k == portable }

func (k kernel) blocks(sum uint32, dst, p []byte, sums []uint32, digests []digest, _ bool) uint32 {
	return blocksPortable(sum, dst, p, sums, digests)
}
