package mutator

import (
	"encoding/binary"

	"stablepages/crcguard"
)

// storm rewrites the whole buffer with content that it never had before.
func storm(b *buffer) func() {
	version := b.rng.Uint64() | 1<<63 // never the writer's, which counts from one
	page := make([]byte, crcguard.BlockSize)
	return func() {
		version++
		words(page, version)
		b.change(func() { repeat(b.buf, page) })
	}
}

// words fills page with version. The race detector does not see page, as in repeat.
//
//go:norace
func words(page []byte, version uint64) {
	for i := 0; i < len(page); i += 8 {
		binary.LittleEndian.PutUint64(page[i:], version)
	}
}
