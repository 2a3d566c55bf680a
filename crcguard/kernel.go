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

// blocks returns sum continued over p, which is whole blocks. It stores the sums and digests
// of the blocks in sums and digests, unless these are nil. Unless dst is nil, it copies p to
// dst and sums the bytes that it stores, even if p changes meanwhile; a copy has no digests.
func blocks(sum uint32, dst, p []byte, sums []uint32, digests []digest, s stores) uint32 {
	stream := dst != nil && s.stream(dst)
	for len(p) > 0 {
		n := min(len(p), maxBlocks*BlockSize)
		to := dst
		if dst != nil {
			to, dst = dst[:n], dst[n:]
		}
		sum = active.blocks(sum, to, p[:n], sums, digests, stream)
		p, sums, digests = p[n:], after(sums, n), after(digests, n)
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
