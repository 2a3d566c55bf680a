package stablewrite

import "unsafe"

// hugePage is the size of a huge page on amd64, and on arm64 with pages of 4 KiB.
const hugePage = 2 << 20

// memoryAlign is the alignment of all memory that this package makes: a page. Linux
// requires no more for any device (STATX_DIOALIGN).
const memoryAlign = 4096

// AlignedBuffer returns n zeroed bytes of ordinary Go memory that any device takes
// without a copy: aligned to 4096, freed by the garbage collector, seen by the race
// detector. Buffers of 2 MiB and more are aligned to 2 MiB and lie in huge pages, if the
// system grants them: a huge page costs the kernel less to submit than 512 small ones.
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

// Buffers returns n buffers of size bytes each, cut from one AlignedBuffer and aligned to
// 4096: many small ones share huge pages.
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
