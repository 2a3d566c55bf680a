package crcguard

import "unsafe"

// Copy copies src to dst and returns the sum of the copy, even if src changes meanwhile.
// It panics if dst is shorter than src or overlaps it. Long copies bypass the caches, as
// the package comment says.
func Copy(dst, src []byte) uint32 { return copySum(dst, src, bySize) }

// CopyCold is [Copy], but bypasses the caches at any length: for a source that is not
// cached, and a copy that is not read soon.
func CopyCold(dst, src []byte) uint32 { return copySum(dst, src, cold) }

// CopyBlocks is [Copy] that also stores the sum of each block in sums. It
// panics if sums is shorter than Blocks(len(src)).
func CopyBlocks(dst, src []byte, sums []uint32) uint32 { return CopyBlocksAt(dst, src, 0, sums) }

// CopyBlocksAt is [CopyBlocks] for a buffer at file offset off. It panics if sums is
// shorter than BlocksAt(off, len(src)).
func CopyBlocksAt(dst, src []byte, off int64, sums []uint32) uint32 {
	return copyAt(dst, src, off, sums, bySize)
}

// CopyBlocksColdAt is [CopyBlocksAt], but bypasses the caches, like [CopyCold].
func CopyBlocksColdAt(dst, src []byte, off int64, sums []uint32) uint32 {
	return copyAt(dst, src, off, sums, cold)
}

func copySum(dst, src []byte, s stores) uint32 {
	dst = apart(dst, src)
	reads(src)
	writes(dst)
	whole := len(src) - len(src)%BlockSize
	sum := blocks(0, dst[:whole], src[:whole], nil, nil, s)
	return update(sum, dst[whole:whole+copy(dst[whole:], src[whole:])])
}

func copyAt(dst, src []byte, off int64, sums []uint32, s stores) uint32 {
	dst, sums = apart(dst, src), room(sums, BlocksAt(off, len(src)))
	reads(src)
	writes(dst)
	writes(sums)
	return blocksAt(0, dst, src, off, sums, nil, s)
}

// apart returns the first len(src) bytes of dst. It panics if dst is shorter, or if they
// overlap: a copy in blocks would then read bytes that it wrote.
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
