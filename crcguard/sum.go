package crcguard

// BlockSize is the unit of per-block sums and of change detection, in bytes: the page
// size of common machines and the block size of common file systems.
const BlockSize = 4096

// Extent is a range of bytes. Off counts from the start of the buffer.
type Extent struct{ Off, Len int }

// Blocks returns the number of blocks of n bytes; the last block may be short.
func Blocks(n int) int { return BlocksAt(0, n) }

// BlocksAt returns the number of blocks of a file that the n bytes at off touch.
func BlocksAt(off int64, n int) int {
	in := into(off)
	switch {
	case n < 0:
		panic("crcguard: negative length")
	case n == 0:
		return 0
	}
	return n/BlockSize + (in+n%BlockSize+BlockSize-1)/BlockSize
}

// into returns the position of off in its block.
func into(off int64) int {
	if off < 0 {
		panic("crcguard: negative offset")
	}
	return int(off % BlockSize)
}

// Checksum returns the sum of p.
func Checksum(p []byte) uint32 { return Update(0, p) }

// Update returns the sum of a buffer with the given sum followed by p.
func Update(sum uint32, p []byte) uint32 {
	reads(p)
	whole := len(p) - len(p)%BlockSize
	return update(blocks(sum, nil, p[:whole], nil, nil, bySize), p[whole:])
}

// ChecksumBlocks stores the sum of each block of p in sums and returns the sum
// of all of p. It panics if sums is shorter than Blocks(len(p)).
func ChecksumBlocks(p []byte, sums []uint32) uint32 { return ChecksumBlocksAt(p, 0, sums) }

// ChecksumBlocksAt is [ChecksumBlocks] for a buffer at file offset off. It panics if sums
// is shorter than BlocksAt(off, len(p)).
func ChecksumBlocksAt(p []byte, off int64, sums []uint32) uint32 {
	sums = room(sums, BlocksAt(off, len(p)))
	reads(p)
	writes(sums)
	return blocksAt(0, nil, p, off, sums, nil, bySize)
}

// blocksAt is blocks for p at file offset off, which may begin and end within a block. It
// needs sums.
func blocksAt(sum uint32, dst, p []byte, off int64, sums []uint32, digests []digest, s stores) uint32 {
	part := func(n int) {
		block := p[:n]
		if dst != nil {
			block, dst = dst[:copy(dst[:n], p)], dst[n:]
		}
		sums[0] = update(0, block)
		sum = Combine(sum, sums[0], int64(n))
		if digests != nil {
			digests[0] = digestOf(sums[0], block)
			digests = digests[1:]
		}
		p, sums = p[n:], sums[1:]
	}
	if n := head(off, len(p)); n > 0 {
		part(n)
	}
	if n := len(p) - len(p)%BlockSize; n > 0 {
		to := dst
		if dst != nil {
			to, dst = dst[:n], dst[n:]
		}
		sum = blocks(sum, to, p[:n], sums, digests, s)
		p, sums, digests = p[n:], after(sums, n), after(digests, n)
	}
	if len(p) > 0 {
		part(len(p))
	}
	return sum
}

// room returns the first n of sums. It does not extend sums into its capacity, which may
// hold other values.
func room(sums []uint32, n int) []uint32 {
	if len(sums) < n {
		panic("crcguard: too few sums for the blocks of the buffer")
	}
	return sums[:n]
}

// head returns how many of n bytes at off come before the first start of a block.
func head(off int64, n int) int {
	if in := into(off); in > 0 {
		return min(n, BlockSize-in)
	}
	return 0
}
