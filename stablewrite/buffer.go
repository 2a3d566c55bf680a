package stablewrite

import "unsafe"

// hugePage is the size of a huge page on amd64, and on arm64 with pages of 4 KiB.
const hugePage = 2 << 20

// memoryAlign is the alignment of all memory that this package makes: a page,
// which is as much as Linux asks of any device (STATX_DIOALIGN).
const memoryAlign = 4096

// AlignedBuffer returns n zeroed bytes of ordinary Go memory that any device
// takes without a copy: aligned to 4096, freed by the garbage collector, seen by
// the race detector. From 2 MiB on it is aligned to 2 MiB and in huge pages, unless
// the system grants none: submitting a huge page costs the kernel less than
// submitting 512 small ones.
func AlignedBuffer(n int) []byte {
	align := memoryAlign
	if n >= hugePage {
		align = hugePage
	} else if n >= memoryAlign { // today's allocator aligns whole pages
		if b := make([]byte, n); aligned(b, align) {
			return b
		}
	}
	b := make([]byte, n+align-1)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & uintptr(align-1))
	b = b[skip : skip+n : skip+n]
	if n >= hugePage {
		adviseHuge(b[:n-n%hugePage])
	}
	return b
}

// Buffers returns n buffers of size bytes each, aligned as AlignedBuffer's and cut
// from one: many small ones lie in huge pages together.
func Buffers(n, size int) [][]byte {
	each := roundUp(size, memoryAlign)
	all, bufs := AlignedBuffer(n*each), make([][]byte, n)
	for i := range bufs {
		bufs[i] = all[i*each:][:size:size]
	}
	return bufs
}

func aligned(p []byte, align int) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))%uintptr(align) == 0
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
