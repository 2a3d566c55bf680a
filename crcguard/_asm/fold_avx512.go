package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// foldAVX512 folds with four accumulators of 64 bytes: AVX-512 F and VL, VPCLMULQDQ.
type foldAVX512 struct {
	acc, product   [4]VecVirtual
	pastTile, ones VecVirtual
}

func (k *foldAVX512) name(s stores) string  { return s.verb() + "BlocksAVX512" }
func (k *foldAVX512) digests(s stores) bool { return s == noStores }
func (k *foldAVX512) tile() int             { return 256 }
func (k *foldAVX512) unroll() int           { return 3 }
func (k *foldAVX512) ahead(stores) ahead    { return newByPages(k.tile()) }

func (k *foldAVX512) begin() {
	for i := range k.acc {
		k.acc[i], k.product[i] = ZMM(), ZMM()
	}
	k.pastTile, k.ones = ZMM(), ZMM()
	VBROADCASTI32X4(data("past256", past(256)), k.pastTile)
	ones := GP32()
	MOVL(U32(0xffffffff), ones)
	VMOVD(ones, k.ones.AsX()) // the first four bytes of a block are complemented
}

// load loads 64 bytes, once, and stores what it loaded.
func (k *foldAVX512) load(t *tile, n int, into Register) {
	VMOVDQU64(t.source(n, 64), into)
	switch t.stores {
	case cachedStores:
		VMOVDQU64(into, at(t.dst, n))
	case streamingStores:
		VMOVNTDQ(into, at(t.dst, n))
	}
}

func (k *foldAVX512) first(t *tile) {
	t.fetch(0, k.tile())
	for i := range k.acc {
		k.load(t, 64*i, k.acc[i])
	}
	VPXORQ(k.ones, k.acc[0], k.acc[0])
}

func (k *foldAVX512) next(t *tile, skip int) {
	t.fetch(skip, k.tile())
	for i := range k.acc {
		VPCLMULQDQ(U8(0x00), k.pastTile, k.acc[i], k.product[i])
		VPCLMULQDQ(U8(0x11), k.pastTile, k.acc[i], k.acc[i])
	}
	for i := range k.acc {
		loaded := ZMM()
		k.load(t, skip+64*i, loaded)
		VPTERNLOGQ(U8(xor3), loaded, k.product[i], k.acc[i])
	}
}

// xor3 is the truth table of VPTERNLOG for the sum of three.
const xor3 = 0x96

func (k *foldAVX512) finish(digest Register) GPVirtual {
	stays, x := XMM(), XMM()
	VEXTRACTI32X4(U8(3), k.acc[3], stays)
	all := data("past240to0", pastAll(k.tile())...)
	for i := range k.acc {
		by := ZMM()
		VMOVDQU64(all.Offset(64*i), by)
		VPCLMULQDQ(U8(0x00), by, k.acc[i], k.product[i])
		VPCLMULQDQ(U8(0x11), by, k.acc[i], k.acc[i])
	}
	a, p := k.acc, k.product
	VPTERNLOGQ(U8(xor3), a[0], p[0], a[1])
	VPTERNLOGQ(U8(xor3), a[2], p[2], a[3])
	VPTERNLOGQ(U8(xor3), p[1], p[3], a[1])
	VPXORQ(a[1], a[3], a[3])
	half := YMM()
	VEXTRACTI64X4(U8(1), a[3], half)
	VPXORQ(a[3].AsY(), half, half)
	VEXTRACTI32X4(U8(1), half, x)
	VPTERNLOGQ(U8(xor3), half.AsX(), stays, x)
	ifNotNil(digest, 16, func() { VMOVDQU64(x, at(digest, 0)) })
	lo, hi := GP64(), GP64()
	VMOVQ(x, lo)
	VPEXTRQ(U8(1), x, hi)
	return reduce(lo, hi)
}

func (k *foldAVX512) shift(sum GPVirtual, by Mem) Op {
	x, moved := XMM(), GP64()
	VMOVD(sum.As32(), x)
	VPCLMULQDQ(U8(0x00), by, x, x)
	VMOVQ(x, moved)
	return moved
}

func (k *foldAVX512) end() { VZEROUPPER() }
