package mutator

import (
	"encoding/binary"

	"stablepages/crcguard"
)

// storm rewrites the whole buffer with content that it never had before.
func storm(v *victim) func() {
	version := v.rng.Uint64() | 1<<63 // no byte of 'a' at the top: never the writer's
	page := make([]byte, crcguard.BlockSize)
	return func() {
		version++
		for i := 0; i < len(page); i += 8 {
			binary.LittleEndian.PutUint64(page[i:], version)
		}
		v.change(func() { repeat(v.buf, page) })
	}
}
