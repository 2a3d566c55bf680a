package mutator

import (
	"bytes"

	"stablepages/crcguard"
)

// stock fills the buffer with 'b', then 'c', and so on to 'z' and around, never
// with the writer's 'a'. In 2011 the letters ran on.
func stock(v *victim) func() {
	letter := byte('a')
	return func() {
		if letter++; letter > 'z' {
			letter = 'b'
		}
		v.change(func() { repeat(v.buf, bytes.Repeat([]byte{letter}, crcguard.BlockSize)) })
	}
}
