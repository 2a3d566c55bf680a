package crcguard

import "unsafe"

// Copy copies src to dst and returns the sum of what dst now holds, whatever
// happened to src meanwhile. It panics if dst is shorter than src or overlaps
// it. Long copies go past the caches, as the package comment says.
func Copy(dst, src []byte) uint32 { return copySum(dst, src, bySize) }

// CopyCold is [Copy] for a caller who knows that src is not in the caches, and that
// dst is not read soon: a copy of any length goes past the caches.
func CopyCold(dst, src []byte) uint32 { return copySum(dst, src, cold) }

// CopyBlocks is [Copy] that also stores the sum of each block in sums. It
// panics if sums is shorter than Blocks(len(src)).
func CopyBlocks(dst, src []byte, sums []uint32) uint32 { return CopyBlocksAt(dst, src, 0, sums) }

// CopyBlocksAt is [CopyBlocks] for a buffer that belongs at off of a file. It
// panics if sums is shorter than BlocksAt(off, len(src)).
func CopyBlocksAt(dst, src []byte, off int64, sums []uint32) uint32 {
	return copyAt(dst, src, off, sums, bySize)
}

// CopyBlocksColdAt is to [CopyBlocksAt] what [CopyCold] is to [Copy].
func CopyBlocksColdAt(dst, src []byte, off int64, sums []uint32) uint32 {
	return copyAt(dst, src, off, sums, cold)
}

func copySum(dst, src []byte, s stores) uint32 {
	dst = apart(dst, src)
	reads(src)
	writes(dst)
	whole := len(src) - len(src)%BlockSize
	sum := copyBlocks(0, dst[:whole], src[:whole], nil, s)
	return update(sum, dst[whole:whole+copy(dst[whole:], src[whole:])])
}

// copyAt is sumAt that copies: what is summed is dst.
func copyAt(dst, src []byte, off int64, sums []uint32, s stores) (sum uint32) {
	dst, sums = apart(dst, src), room(sums, BlocksAt(off, len(src)))
	reads(src)
	writes(dst)
	writes(sums)
	part := func(n int) {
		sums[0] = update(0, dst[:copy(dst[:n], src)])
		sum = Combine(sum, sums[0], int64(n))
		dst, src, sums = dst[n:], src[n:], sums[1:]
	}
	if n := head(off, len(src)); n > 0 {
		part(n)
	}
	if n := len(src) - len(src)%BlockSize; n > 0 {
		sum = copyBlocks(sum, dst[:n], src[:n], sums, s)
		dst, src, sums = dst[n:], src[n:], after(sums, n)
	}
	if len(src) > 0 {
		part(len(src))
	}
	return sum
}

// apart returns as much of dst as src is long. It panics if dst is shorter, its
// capacity being no leave to write there, or if they overlap: what is copied block
// by block would read what it wrote.
func apart(dst, src []byte) []byte {
	if len(dst) < len(src) {
		panic("crcguard: destination shorter than source")
	}
	if dst = dst[:len(src)]; len(src) == 0 {
		return dst
	}
	x, y := uintptr(unsafe.Pointer(&dst[0])), uintptr(unsafe.Pointer(&src[0]))
	if max(x, y)-min(x, y) < uintptr(len(src)) {
		panic("crcguard: source and destination overlap")
	}
	return dst
}
