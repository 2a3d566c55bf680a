package crcguard

// Guard notices changes of a buffer. The zero value is ready. A Guard is used
// for one buffer at a time and is reused without allocating once it has seen
// its largest buffer; it is not for concurrent use.
type Guard struct {
	// SumOnly compares blocks by CRC-32C alone, to the letter of what was
	// proposed in 2011. It misses every change between two pages that end in
	// their own CRC-32C. It exists to show that.
	SumOnly bool

	off     int64
	n       int  // bytes armed
	sumOnly bool // as SumOnly was then
	sums    []uint32
	digests []digest
}

// Arm takes the sums and digests of p, and returns the sum of all of p.
func (g *Guard) Arm(p []byte) uint32 { return g.ArmAt(p, 0) }

// ArmAt is [Guard.Arm] for a buffer that belongs at off of a file: blocks are
// those of the file.
func (g *Guard) ArmAt(p []byte, off int64) uint32 {
	sums, digests := g.arm(off, len(p))
	reads(p)
	return sumAt(0, p, off, sums, digests)
}

// ArmPartsAt is [Guard.ArmAt] for bytes that lie in several parts of memory: the
// parts, one after the other, belong at off of a file. It panics if a part begins
// within a block of the file, unless it is the first. Empty parts do not count.
func (g *Guard) ArmPartsAt(parts [][]byte, off int64) (sum uint32) {
	sums, digests := g.arm(off, lengthAt(parts, off))
	for _, p := range parts {
		reads(p)
		sum = sumAt(sum, p, off, sums, digests)
		n := BlocksAt(off, len(p))
		if off, sums = off+int64(len(p)), sums[n:]; digests != nil {
			digests = digests[n:]
		}
	}
	return sum
}

// arm makes room for the sums of n bytes at off, and for their digests unless they
// are compared by sums only.
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

// lengthAt is the number of bytes of parts that belong at off of a file. It panics
// if one begins within a block that another has the beginning of.
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

// Sums are the per-block sums that the last Arm took. They belong to the Guard
// and are valid until the next Arm.
func (g *Guard) Sums() []uint32 { return g.sums }

// AppendChanged appends to dst the extents of p that differ from when p was
// armed, in order, adjacent blocks as one, and returns the extended slice. p
// must be as long as it was then, or AppendChanged panics.
func (g *Guard) AppendChanged(dst []Extent, p []byte) []Extent {
	g.mustHold(len(p))
	return g.appendChanged(dst, len(dst), p, 0, new(scratch))
}

// AppendChangedParts is [Guard.AppendChanged] for bytes in several parts, as
// [Guard.ArmPartsAt] takes them. Extents count bytes from the start of the first
// part; adjacent blocks are one Extent also where one part ends and the next begins.
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
		panic("crcguard: AppendChanged of another buffer than was armed")
	}
}

// scratch is room for the sums and digests that are compared with those of a Guard.
type scratch struct {
	sums    [maxBlocks]uint32
	digests [maxBlocks]digest
}

// appendChanged appends the changed extents of p, which begins at bytes after the
// start of what was armed. The Extents of dst from fresh on may grow.
func (g *Guard) appendChanged(dst []Extent, fresh int, p []byte, at int, room *scratch) []Extent {
	reads(p)
	i, in := BlocksAt(g.off, at), int((g.off+int64(at))%BlockSize)
	for lo := 0; lo < len(p); {
		// As many blocks as there is room for; they end where the file's do.
		hi := min(len(p), lo+maxBlocks*BlockSize-in)
		n := BlocksAt(int64(in), hi-lo)
		same := func(k int) bool { return room.sums[k] == g.sums[i+k] }
		if g.sumOnly {
			sumAt(0, p[lo:hi], int64(in), room.sums[:n], nil)
		} else {
			sumAt(0, p[lo:hi], int64(in), room.sums[:n], room.digests[:n])
			same = func(k int) bool { return room.digests[k] == g.digests[i+k] }
		}
		for k := range n {
			end := min(hi, lo+BlockSize-in)
			if !same(k) {
				dst = appendExtent(dst, fresh, Extent{at + lo, end - lo})
			}
			lo, in = end, 0
		}
		i += n
	}
	return dst
}

// appendExtent appends e, or lets the last Extent from fresh on grow by it.
func appendExtent(dst []Extent, fresh int, e Extent) []Extent {
	if k := len(dst) - 1; k >= fresh && dst[k].Off+dst[k].Len == e.Off {
		dst[k].Len += e.Len
		return dst
	}
	return append(dst, e)
}
