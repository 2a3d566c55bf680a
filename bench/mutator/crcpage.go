package mutator

import (
	"encoding/binary"

	"stablepages/crcguard"
)

// crcPage rewrites every page as a database does: new content, and in the last four
// bytes the CRC-32C of the bytes before them. CRC is linear, so the CRC-32C of the
// whole page is the same in every version.
func crcPage(b *buffer) func() {
	version := b.rng.Uint64() | 1<<63 // the versions of fillStamped are smaller
	return func() {
		b.change(func() {
			for lo := 0; lo < len(b.buf); lo += crcguard.BlockSize {
				version++
				stamp(b.buf[lo:lo+crcguard.BlockSize], version)
			}
		})
	}
}

// fillStamped makes every page of buf valid.
func fillStamped(buf []byte, _ uint64) {
	for lo := 0; lo < len(buf); lo += crcguard.BlockSize {
		stamp(buf[lo:lo+crcguard.BlockSize], uint64(lo))
	}
}

// stamp makes page valid. The race detector does not see page, as in repeat.
//
//go:norace
func stamp(page []byte, version uint64) {
	end := len(page) - 4
	for i := 0; i+8 <= end; i += 8 {
		binary.LittleEndian.PutUint64(page[i:], version*0x9e3779b97f4a7c15+uint64(i))
	}
	binary.LittleEndian.PutUint32(page[end:], crcguard.Checksum(page[:end]))
}
