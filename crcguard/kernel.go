package crcguard

import "os"

//go:generate go run -C _asm . -out ../blocks_amd64.s -stubs ../blocks_amd64.go -pkg crcguard

// kernel is an implementation of the operations on whole blocks.
type kernel uint8

const (
	portable kernel = iota
	sse42
	avx512
)

func (k kernel) String() string { return [...]string{"portable", "sse42", "avx512"}[k] }

// active is the kernel in use. Only tests change it.
var active = choose(os.Getenv("CRCGUARD_KERNEL"))

// choose returns the kernel with the given name, if this machine supports it, or else
// the fastest kernel that it supports.
func choose(name string) kernel {
	best := portable
	for k := portable; k <= avx512; k++ {
		switch {
		case !k.available():
		case k.String() == name:
			return k
		default:
			best = k
		}
	}
	return best
}

// Kernel returns the name of the kernel in use: "avx512", "sse42" or "portable".
func Kernel() string { return active.String() }

// digest identifies the content of a block. Each kernel has other digests.
type digest = [2]uint64

// maxBlocks is the most blocks for one call of assembly: 256 KiB. The garbage collector
// and other goroutines cannot interrupt the call, and wait: 10 to 20 us if the source is
// cold, 40 us for a copy to cold memory.
const maxBlocks = 64

// sumBlocks returns sum continued over p, which is whole blocks. It stores the sums and
// digests of the blocks in sums and digests, unless these are nil.
func sumBlocks(sum uint32, p []byte, sums []uint32, digests []digest) uint32 {
	for len(p) > 0 {
		n := min(len(p), maxBlocks*BlockSize)
		sum = active.sumBlocks(sum, p[:n], sums, digests)
		p, sums, digests = p[n:], after(sums, n), after(digests, n)
	}
	return sum
}

// copyBlocks is sumBlocks that copies p to dst. It sums the bytes that it stores, even if
// p changes meanwhile.
func copyBlocks(sum uint32, dst, p []byte, sums []uint32, s stores) uint32 {
	stream := s.stream(dst)
	for len(p) > 0 {
		n := min(len(p), maxBlocks*BlockSize)
		sum = active.copyBlocks(sum, dst[:n], p[:n], sums, stream)
		dst, p, sums = dst[n:], p[n:], after(sums, n)
	}
	return sum
}

// after returns the elements of s, which has one for each block or is nil, after n bytes.
func after[E any](s []E, n int) []E {
	if s == nil {
		return nil
	}
	return s[n/BlockSize:]
}
