package mutator

import "encoding/binary"

// storm rewrites the whole buffer with content that it never had before.
func storm(v *victim) func() {
	version := v.rng.Uint64() | 1<<63 // no byte of 'a' at the top: never the writer's
	return func() {
		version++
		for i := 0; i+8 <= len(v.buf); i += 8 {
			binary.LittleEndian.PutUint64(v.buf[i:], version)
		}
	}
}
