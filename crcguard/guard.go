package crcguard

// Guard detects changes of a buffer. The zero value is ready. A Guard is for one buffer
// at a time, and not for concurrent use. Reuse allocates only for a larger buffer.
type Guard struct {
	// SumOnly compares blocks by CRC-32C alone, as was proposed in 2011. It exists to show
	// that CRC-32C misses every change between two pages that end in their own CRC-32C.
	SumOnly bool

	off     int64
	n       int  // armed bytes
	sumOnly bool // SumOnly when it was armed
	sums    []uint32
	digests []digest
}

// Arm takes the sums and digests of p, and returns the sum of all of p.
func (g *Guard) Arm(p []byte) uint32 { return g.ArmAt(p, 0) }

// ArmAt is [Guard.Arm] for a buffer at file offset off. Blocks are blocks of the file.
func (g *Guard) ArmAt(p []byte, off int64) uint32 {
	sums, digests := g.arm(off, len(p))
	reads(p)
	return blocksAt(0, nil, p, off, sums, digests, bySize)
}

// ArmPartsAt is [Guard.ArmAt] for a buffer in several parts of memory. It panics if a
// part after the first begins within a block of the file. Empty parts do not count.
func (g *Guard) ArmPartsAt(parts [][]byte, off int64) (sum uint32) {
	sums, digests := g.arm(off, lengthAt(parts, off))
	for _, p := range parts {
		reads(p)
		sum = blocksAt(sum, nil, p, off, sums, digests, bySize)
		n := BlocksAt(off, len(p))
		if off, sums = off+int64(len(p)), sums[n:]; digests != nil {
			digests = digests[n:]
		}
	}
	return sum
}

// arm makes room for the sums of n bytes at off and, unless SumOnly is set, for their
// digests.
func (g *Guard) arm(off int64, n int) ([]uint32, []digest) {
	blocks := BlocksAt(off, n)
	g.off, g.n, g.sumOnly, g.sums = off, n, g.SumOnly, resize(g.sums, blocks)
	writes(g.sums)
	if g.sumOnly {
		return g.sums, nil
	}
	g.digests = resize(g.digests, blocks)
	return g.sums, g.digests
}

// lengthAt returns the number of bytes of parts, which are at file offset off. It panics
// if a part after the first begins within a block.
func lengthAt(parts [][]byte, off int64) (n int) {
	for _, p := range parts {
		if n > 0 && len(p) > 0 && into(off+int64(n)) != 0 {
			panic("crcguard: a part begins within a block")
		}
		n += len(p)
	}
	return n
}

func resize[E any](s []E, n int) []E {
	if cap(s) < n {
		return make([]E, n)
	}
	return s[:n]
}

// Sums returns the per-block sums of the last Arm. They belong to the Guard and are valid
// until the next Arm.
func (g *Guard) Sums() []uint32 { return g.sums }

// AppendChanged appends to dst the extents of p that have changed since p was armed, and
// returns the extended slice. Extents are in order; adjacent blocks are one Extent. It
// panics if p is not as long as the armed buffer.
func (g *Guard) AppendChanged(dst []Extent, p []byte) []Extent {
	g.mustHold(len(p))
	return g.appendChanged(dst, len(dst), p, 0, new(scratch))
}

// AppendChangedParts is [Guard.AppendChanged] for the parts of [Guard.ArmPartsAt]. Extents
// count bytes from the start of the first part; adjacent blocks are one Extent also
// across parts.
func (g *Guard) AppendChangedParts(dst []Extent, parts [][]byte) []Extent {
	g.mustHold(lengthAt(parts, g.off))
	fresh, at, room := len(dst), 0, new(scratch)
	for _, p := range parts {
		dst = g.appendChanged(dst, fresh, p, at, room)
		at += len(p)
	}
	return dst
}

func (g *Guard) mustHold(n int) {
	if n != g.n {
		panic("crcguard: AppendChanged of a buffer that is not as long as the armed buffer")
	}
}

// scratch holds sums and digests to compare with those of a Guard.
type scratch struct {
	sums    [maxBlocks]uint32
	digests [maxBlocks]digest
}

// appendChanged appends the changed extents of p, which begins at bytes after the start
// of the armed buffer. The Extents of dst from fresh on may grow.
func (g *Guard) appendChanged(dst []Extent, fresh int, p []byte, at int, room *scratch) []Extent {
	reads(p)
	i, in := BlocksAt(g.off, at), int((g.off+int64(at))%BlockSize)
	for lo := 0; lo < len(p); {
		// At most as many blocks as fit scratch.
		hi := min(len(p), lo+maxBlocks*BlockSize-in)
		n := BlocksAt(int64(in), hi-lo)
		digests := room.digests[:n]
		if g.sumOnly {
			digests = nil
		}
		blocksAt(0, nil, p[lo:hi], int64(in), room.sums[:n], digests, bySize)
		for k := range n {
			end := min(hi, lo+BlockSize-in)
			if g.sumOnly && room.sums[k] != g.sums[i+k] || !g.sumOnly && digests[k] != g.digests[i+k] {
				dst = appendExtent(dst, fresh, Extent{at + lo, end - lo})
			}
			lo, in = end, 0
		}
		i += n
	}
	return dst
}

// appendExtent appends e, or extends the last Extent from fresh on by e.
func appendExtent(dst []Extent, fresh int, e Extent) []Extent {
	if k := len(dst) - 1; k >= fresh && dst[k].Off+dst[k].Len == e.Off {
		dst[k].Len += e.Len
		return dst
	}
	return append(dst, e)
}
