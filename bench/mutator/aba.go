package mutator

import "stablepages/crcguard"

// aba inverts one random block, waits for the hold, and restores the block.
func aba(b *buffer) func() {
	was := make([]byte, crcguard.BlockSize)
	return func() {
		lo := b.rng.IntN(len(b.buf)/crcguard.BlockSize) * crcguard.BlockSize
		block := b.buf[lo : lo+crcguard.BlockSize]
		copy(was, block)
		b.change(func() {
			for i := range block {
				block[i] = ^was[i]
			}
		})
		wait(b.hold, b.ctl)
		b.change(func() { copy(block, was) })
	}
}
