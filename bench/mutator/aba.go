package mutator

import "stablepages/crcguard"

// aba inverts one random block, holds that, and puts back what was there.
func aba(v *victim) func() {
	was := make([]byte, crcguard.BlockSize)
	return func() {
		lo := v.rng.IntN(len(v.buf)/crcguard.BlockSize) * crcguard.BlockSize
		block := v.buf[lo : lo+crcguard.BlockSize]
		copy(was, block)
		v.change(func() {
			for i := range block {
				block[i] = ^was[i]
			}
		})
		wait(v.hold, v.ctl)
		v.change(func() { copy(block, was) })
	}
}
