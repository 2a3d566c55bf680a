package crcguard

import "math/bits"

// poly is the Castagnoli polynomial, bit reflected (RFC 3720, appendix B.4). In
// polynomials, as in sums, the coefficient of x^0 is the top bit.
const poly = 0x82f63b78

// powers[k] is x^(2^k) modulo poly, for every bit of an int64 number of bytes
// times 8.
var powers = func() (t [66]uint32) {
	t[0] = 1 << 30 // x
	for k := 1; k < len(t); k++ {
		t[k] = mulmod(t[k-1], t[k-1])
	}
	return t
}()

// mulmod returns a*b modulo poly.
func mulmod(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a&(1<<31) != 0 {
			product ^= b
		}
		b = b>>1 ^ poly&-(b&1)
	}
	return product
}

// pastBlock[i][v] is byte i of a sum, of value v, moved past BlockSize bytes. Nearly
// every Combine appends a whole block.
var pastBlock = func() (t [4][256]uint32) {
	shift := past(BlockSize)
	for i := range t {
		for v := range t[i] {
			t[i][v] = mulmod(uint32(v)<<(8*i), shift)
		}
	}
	return t
}()

// past returns x^(8n) modulo poly, the factor that moves a sum past n bytes.
func past(n int64) uint32 {
	shift := uint32(1 << 31) // 1
	for ; n != 0; n &= n - 1 {
		shift = mulmod(shift, powers[bits.TrailingZeros64(uint64(n))+3])
	}
	return shift
}

// Combine returns the sum of a buffer whose first part has sum a and whose
// second part, lenB bytes, has sum b. It panics if lenB is negative.
func Combine(a, b uint32, lenB int64) uint32 {
	if lenB == BlockSize {
		return pastBlock[0][byte(a)] ^ pastBlock[1][byte(a>>8)] ^ pastBlock[2][byte(a>>16)] ^ pastBlock[3][a>>24] ^ b
	}
	if lenB < 0 {
		panic("crcguard: Combine with a negative length")
	}
	if a == 0 {
		return b
	}
	return mulmod(a, past(lenB)) ^ b
}
