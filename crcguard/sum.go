package crcguard

import "unsafe"

// BlockSize is the unit of per-block sums and of change detection, in bytes.
// It is the page size of the machines and the block size of the file systems
// whose stable pages this is about.
const BlockSize = 4096

// Extent is a run of bytes. Off counts from the start of the buffer that it
// was found in.
type Extent struct{ Off, Len int }

// Blocks is the number of blocks, the last one possibly short, that n bytes
// span.
func Blocks(n int) int { return BlocksAt(0, n) }

// BlocksAt is the number of blocks of a file that the n bytes at off touch.
func BlocksAt(off int64, n int) int {
	if n == 0 {
		return 0
	}
	return (into(off) + n + BlockSize - 1) / BlockSize
}

// into is how far into its block off is.
func into(off int64) int {
	if off < 0 {
		panic("crcguard: negative offset")
	}
	return int(off % BlockSize)
}

// head is the length of the first block of n bytes at off.
func head(off int64, n int) int { return min(n, BlockSize-into(off)) }

// Checksum returns the sum of p.
func Checksum(p []byte) uint32 { return update(0, p) }

// Update returns the sum of what sum was taken of, followed by p.
func Update(sum uint32, p []byte) uint32 { return update(sum, p) }

// ChecksumBlocks stores the sum of each block of p in sums and returns the sum
// of all of p. It panics if sums is shorter than Blocks(len(p)).
func ChecksumBlocks(p []byte, sums []uint32) uint32 { return ChecksumBlocksAt(p, 0, sums) }

// ChecksumBlocksAt is [ChecksumBlocks] for a buffer that belongs at off of a
// file. It panics if sums is shorter than BlocksAt(off, len(p)).
func ChecksumBlocksAt(p []byte, off int64, sums []uint32) uint32 {
	sums = sums[:BlocksAt(off, len(p)):len(sums)]
	if len(p) == 0 {
		return 0
	}
	h := head(off, len(p))
	sums[0] = update(0, p[:h])
	return Combine(sums[0], sumBlocks(p[h:], sums[1:]), int64(len(p)-h))
}

// Copy copies src to dst and returns the sum of what dst now holds, whatever
// happened to src meanwhile. It panics if dst is shorter than src or overlaps
// it.
func Copy(dst, src []byte) uint32 {
	dst = dst[:len(src):len(dst)] // spare capacity is no leave to write there
	apart(dst, src)
	return copySum(dst, src)
}

// apart panics if a and b, of equal length, overlap: a copy made block by block
// would read what it wrote.
func apart(a, b []byte) {
	if len(a) == 0 {
		return
	}
	x, y := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	if max(x, y)-min(x, y) < uintptr(len(a)) {
		panic("crcguard: source and destination overlap")
	}
}

// CopyBlocks is [Copy] that also stores the sum of each block in sums. It
// panics if sums is shorter than Blocks(len(src)).
func CopyBlocks(dst, src []byte, sums []uint32) uint32 { return CopyBlocksAt(dst, src, 0, sums) }

// CopyBlocksAt is [CopyBlocks] for a buffer that belongs at off of a file. It
// panics if sums is shorter than BlocksAt(off, len(src)).
func CopyBlocksAt(dst, src []byte, off int64, sums []uint32) uint32 {
	dst, sums = dst[:len(src):len(dst)], sums[:BlocksAt(off, len(src)):len(sums)]
	apart(dst, src)
	if len(src) == 0 {
		return 0
	}
	h := head(off, len(src))
	sums[0] = copySum(dst[:h], src[:h])
	return Combine(sums[0], copyBlocks(dst[h:], src[h:], sums[1:]), int64(len(src)-h))
}
