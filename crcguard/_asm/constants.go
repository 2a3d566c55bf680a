package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// castagnoli is the polynomial P of CRC-32C, bit reflected as sums are: the
// coefficient of x^0 is the top bit (RFC 3720, appendix B.4).
const castagnoli = 0x82f63b78

// power returns x^n modulo P.
func power(n int) uint64 {
	p := uint32(1 << 31) // 1
	for range n {
		p = p>>1 ^ castagnoli&-(p&1)
	}
	return uint64(p)
}

// Sixteen bytes in a register are a polynomial of degree 127: bit i is the
// coefficient of x^(127-i), so that the earlier eight bytes, the lower half, are
// x^64 times a polynomial of degree 63. Carry-less multiplication of a half by a
// constant of 32 bits gives, read in the same way, their product times x^33. So
// to multiply a register by x^8n, which is to move it past n bytes, modulo P, each
// half is multiplied by a constant, and the products, of 96 bits, are added.

// past is the pair of constants that moves sixteen bytes past n bytes, n > 4.
func past(n int) [2]uint64 {
	return [2]uint64{power(8*n + 64 - 33), power(8*n - 33)}
}

// pastSum is the constant that moves a sum past n bytes. The product, taken for eight
// bytes, still has to be moved past 32 bits and reduced; the CRC32 instruction does that.
func pastSum(n int) [2]uint64 { return [2]uint64{power(8*n - 33)} }

// pastAll are the constants that move the vectors of a tile, sixteen bytes each, to
// the last one. The last one is added unchanged: its constants are 0.
func pastAll(tile int) (pairs [][2]uint64) {
	for n := tile - 16; n > 0; n -= 16 {
		pairs = append(pairs, past(n))
	}
	return append(pairs, [2]uint64{})
}

// data puts constants into the read-only data, once.
func data(name string, pairs ...[2]uint64) Mem {
	if m, ok := placed[name]; ok {
		return m
	}
	m := GLOBL(name, RODATA|NOPTR)
	for i, p := range pairs {
		DATA(16*i, U64(p[0]))
		DATA(16*i+8, U64(p[1]))
	}
	placed[name] = m
	return m
}

var placed = map[string]Mem{}
