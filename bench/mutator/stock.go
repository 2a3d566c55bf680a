package mutator

import (
	"bytes"

	"stablepages/crcguard"
)

// stock fills the buffer with 'b', then 'c', to 'z' and around, but never with the
// writer's 'a'. In 2011 the letters did not wrap around.
func stock(b *buffer) func() {
	letter := byte('a')
	return func() {
		if letter++; letter > 'z' {
			letter = 'b'
		}
		b.change(func() { repeat(b.buf, bytes.Repeat([]byte{letter}, crcguard.BlockSize)) })
	}
}
