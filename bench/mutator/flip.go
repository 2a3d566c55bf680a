package mutator

// flip flips one bit. It visits all bits, in an order that looks random, before it
// visits any bit again: two flips of the same bit in one write would be an A-B-A
// change.
func flip(b *buffer) func() {
	bits := uint64(len(b.buf)) * 8
	stride := b.rng.Uint64N(bits) | 1
	for gcd(stride, bits) != 1 {
		stride += 2
	}
	at := b.rng.Uint64N(bits)
	return func() {
		at = (at + stride) % bits
		b.change(func() { b.buf[at/8] ^= 1 << (at % 8) })
	}
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
