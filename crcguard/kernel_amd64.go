//go:build gc && !purego

package crcguard

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// built reports whether the kernels in assembly are part of the program.
const built = true

// available reports whether this machine supports k. Package cpu also checks that the
// operating system saves the registers.
func (k kernel) available() bool {
	x := &cpu.X86
	switch k {
	case avx512:
		return x.HasAVX && x.HasAVX512 && x.HasAVX512F && x.HasAVX512VL && x.HasAVX512VPCLMULQDQ && x.HasPCLMULQDQ && x.HasSSE42
	case sse42:
		return x.HasPCLMULQDQ && x.HasSSE42
	}
	return true
}

func (k kernel) blocks(sum uint32, dst, p []byte, sums []uint32, digests []digest, stream bool) uint32 {
	if k == portable {
		return blocksPortable(sum, dst, p, sums, digests)
	}
	to, src, n, each := unsafe.SliceData(dst), unsafe.SliceData(p), blocksOf(p), unsafe.SliceData(sums)
	switch {
	case dst == nil && k == avx512:
		return sumBlocksAVX512(sum, src, n, each, unsafe.SliceData(digests))
	case dst == nil && digests != nil:
		return digestBlocksSSE42(sum, src, n, each, unsafe.SliceData(digests))
	case dst == nil:
		return sumBlocksSSE42(sum, src, n, each)
	case k == avx512 && stream:
		return streamBlocksAVX512(sum, to, src, n, each)
	case k == avx512:
		return copyBlocksAVX512(sum, to, src, n, each)
	case stream:
		return streamBlocksSSE42(sum, to, src, n, each)
	}
	return copyBlocksSSE42(sum, to, src, n, each)
}

// blocksOf returns the number of blocks of p, for one call of assembly.
func blocksOf(p []byte) int {
	n := len(p) / BlockSize
	if n > maxBlocks {
		panic("crcguard: a call of assembly that nothing could interrupt")
	}
	return n
}
