package main

import "testing"

// times returns a*b modulo P by long multiplication of coefficients, a way
// independent of power.
func times(a, b uint64) uint64 {
	const p = uint64(1)<<32 | 0x1edc6f41 // not reflected
	rev := func(x uint64) (y uint64) {
		for i := range 32 {
			y |= x >> i & 1 << (31 - i)
		}
		return y
	}
	a, b = rev(a), rev(b)
	var product uint64
	for i := range 32 {
		if b>>i&1 == 1 {
			product ^= a << i
		}
	}
	for i := 63; i >= 32; i-- {
		if product>>i&1 == 1 {
			product ^= p << (i - 32)
		}
	}
	return rev(product)
}

func TestPowersMultiply(t *testing.T) {
	for _, n := range [][2]int{{0, 0}, {1, 31}, {32, 32}, {95, 161}, {2015, 32735}} {
		if got, want := power(n[0]+n[1]), times(power(n[0]), power(n[1])); got != want {
			t.Errorf("x^%d = %#x, but x^%d * x^%d = %#x", n[0]+n[1], got, n[0], n[1], want)
		}
	}
}

// The same constants stand in other implementations of CRC-32C by folding, four and
// one register of 16 bytes at a time.
func TestConstantsAreTheKnownOnes(t *testing.T) {
	for n, want := range map[int][2]uint64{64: {0x740eef02, 0x9e4addf8}, 16: {0xf20c0dfe, 0x493c7d27}} {
		if got := past(n); got != want {
			t.Errorf("past %d bytes: %#x, want %#x", n, got, want)
		}
	}
}
