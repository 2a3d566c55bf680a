package crcguard

// Kernels lists the names of the kernels that were built, the fastest first, and whether
// this machine has each.
func Kernels() (names []string, available []bool) {
	for _, k := range []kernel{avx512, sse42, portable} {
		if built || k == portable {
			names, available = append(names, k.String()), append(available, k.available())
		}
	}
	return names, available
}

// Use selects the kernel with that name.
func Use(name string) (undo func()) {
	was := active
	active = choose(name)
	return func() { active = was }
}

const (
	StreamFrom = streamFrom
	MaxBlocks  = maxBlocks
)

// Digest returns the sum and the digest of a block.
func Digest(p []byte) (uint32, [2]uint64) {
	var sums [1]uint32
	var digests [1]digest
	blocks(0, nil, p, sums[:], digests[:], bySize)
	return sums[0], digests[0]
}
