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
	reads(p)
	writes(g.sums)
	if g.sumOnly {
		return sumAt(p, off, g.sums, nil)
	}
	g.digests = resize(g.digests, n)
	return sumAt(p, off, g.sums, g.digests)
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
	if len(p) != g.n {
		panic("crcguard: AppendChanged of another buffer than was armed")
	}
	reads(p)
	var sums [maxBlocks]uint32
	var digests [maxBlocks]digest
	fresh, in := len(dst), int(g.off%BlockSize)
	for i, lo := 0, 0; lo < len(p); {
		// As many blocks as there is room for; they end where the file's do.
		hi := min(len(p), lo+maxBlocks*BlockSize-in)
		n := BlocksAt(int64(in), hi-lo)
		same := func(k int) bool { return sums[k] == g.sums[i+k] }
		if g.sumOnly {
			sumAt(p[lo:hi], int64(in), sums[:n], nil)
		} else {
			sumAt(p[lo:hi], int64(in), sums[:n], digests[:n])
			same = func(k int) bool { return digests[k] == g.digests[i+k] }
		}
		for k := range n {
			end := min(hi, lo+BlockSize-in)
			if !same(k) {
				dst = appendExtent(dst, fresh, Extent{lo, end - lo})
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
