package crcguard

import "os"

//go:generate go run -C _asm . -out ../blocks_amd64.s -stubs ../blocks_amd64.go -pkg crcguard

// kernel is one implementation of what is done to whole blocks.
type kernel uint8

const (
	portable kernel = iota
	sse42
	avx512
)

func (k kernel) String() string { return [...]string{"portable", "sse42", "avx512"}[k] }

// active is the kernel that runs. Only tests change it.
var active = choose(os.Getenv("CRCGUARD_KERNEL"))

// choose picks the fastest kernel that this machine has, or the one named if it
// has that.
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

// Kernel names the implementation that runs: "avx512", "sse42" or "portable".
func Kernel() string { return active.String() }

// digest is what a Guard compares blocks by. What is in it is the kernel's
// business.
type digest = [2]uint64

// maxBlocks is how many blocks one call of assembly is given: 256 KiB. Nothing
// interrupts it, so the garbage collector and other goroutines wait for its end:
// from cold memory 10 to 20 us, for copies to cold memory 40.
const maxBlocks = 64

// sumBlocks returns sum continued over p, whole blocks, and stores the sums and
// the digests of the blocks where sums and digests are not nil.
func sumBlocks(sum uint32, p []byte, sums []uint32, digests []digest) uint32 {
	for len(p) > 0 {
		n := min(len(p), maxBlocks*BlockSize)
		sum = active.sumBlocks(sum, p[:n], sums, digests)
		p, sums, digests = p[n:], after(sums, n), after(digests, n)
	}
	return sum
}

// copyBlocks is sumBlocks that copies p to dst. What it sums are the bytes that it
// stored, whoever changes p meanwhile.
func copyBlocks(sum uint32, dst, p []byte, sums []uint32, s stores) uint32 {
	stream := s.stream(dst)
	for len(p) > 0 {
		n := min(len(p), maxBlocks*BlockSize)
		sum = active.copyBlocks(sum, dst[:n], p[:n], sums, stream)
		dst, p, sums = dst[n:], p[n:], after(sums, n)
	}
	return sum
}

// after is what s, one for each block or nil, has for what comes after n bytes.
func after[E any](s []E, n int) []E {
	if s == nil {
		return nil
	}
	return s[n/BlockSize:]
}
