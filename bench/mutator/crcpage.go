package mutator

import (
	"encoding/binary"

	"stablepages/crcguard"
)

// crcPage rewrites every page as a database would: new content, and in the last
// four bytes the CRC-32C of what is before them. Because CRC is linear, the
// CRC-32C of such a page, taken whole, is the same in every version.
func crcPage(v *victim) func() {
	version := v.rng.Uint64() | 1<<63 // stampPages counts from zero
	return func() {
		v.change(func() {
			for lo := 0; lo < len(v.buf); lo += crcguard.BlockSize {
				version++
				stamp(v.buf[lo:lo+crcguard.BlockSize], version)
			}
		})
	}
}

// stampPages makes every page of buf a valid one, as the writer's own content.
func stampPages(buf []byte) {
	for lo := 0; lo < len(buf); lo += crcguard.BlockSize {
		stamp(buf[lo:lo+crcguard.BlockSize], uint64(lo))
	}
}

// stamp makes page a valid one; without the race detector, as repeat.
//
//go:norace
func stamp(page []byte, version uint64) {
	end := len(page) - 4
	for i := 0; i+8 <= end; i += 8 {
		binary.LittleEndian.PutUint64(page[i:], version*0x9e3779b97f4a7c15+uint64(i))
	}
	binary.LittleEndian.PutUint32(page[end:], crcguard.Checksum(page[:end]))
}
