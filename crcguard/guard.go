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
	n := BlocksAt(off, len(p))
	g.off, g.n, g.sumOnly, g.sums = off, len(p), g.SumOnly, resize(g.sums, n)
	if g.sumOnly {
		return ChecksumBlocksAt(p, off, g.sums)
	}
	if g.digests = resize(g.digests, n); n == 0 {
		return 0
	}
	h := head(off, len(p))
	g.sums[0], g.digests[0] = digestBlock(p[:h])
	return Combine(g.sums[0], digestBlocks(p[h:], g.sums[1:], g.digests[1:]), int64(len(p)-h))
}

func resize[E any](s []E, n int) []E {
	if cap(s) < n {
		return make([]E, n)
	}
	return s[:n]
}

// Sums are the per-block sums that the last Arm took. They belong to the Guard
// and are valid until the next Arm; a caller that resubmits blocks may store
// the sums of what it resubmitted in them.
func (g *Guard) Sums() []uint32 { return g.sums }

// AppendChanged appends to dst the extents of p that differ from when p was
// armed, in order, adjacent blocks as one, and returns the extended slice. p
// must be as long as it was then, or AppendChanged panics.
func (g *Guard) AppendChanged(dst []Extent, p []byte) []Extent {
	if len(p) != g.n {
		panic("crcguard: AppendChanged of another buffer than was armed")
	}
	fresh := len(dst)
	for i, lo := 0, 0; lo < len(p); i++ {
		n := head(g.off+int64(lo), len(p)-lo)
		if g.changed(i, p[lo:lo+n]) {
			if k := len(dst) - 1; k >= fresh && dst[k].Off+dst[k].Len == lo {
				dst[k].Len += n
			} else {
				dst = append(dst, Extent{lo, n})
			}
		}
		lo += n
	}
	return dst
}

func (g *Guard) changed(i int, block []byte) bool {
	if g.sumOnly {
		return update(0, block) != g.sums[i]
	}
	_, d := digestBlock(block)
	return d != g.digests[i]
}
