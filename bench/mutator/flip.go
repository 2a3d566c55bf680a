package mutator

// flip flips one bit. It walks all bits in an order that looks random and
// returns to none before it has been everywhere: two flips of one bit in one
// write would be an A-B-A change, which is another mutator.
func flip(v *victim) func() {
	bits := uint64(len(v.buf)) * 8
	stride := v.rng.Uint64N(bits) | 1
	for gcd(stride, bits) != 1 {
		stride += 2
	}
	at := v.rng.Uint64N(bits)
	return func() {
		at = (at + stride) % bits
		v.change(func() { v.buf[at/8] ^= 1 << (at % 8) })
	}
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
