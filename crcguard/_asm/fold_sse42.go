package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// foldSSE42 folds with eight accumulators of 16 bytes: SSE 4.2 and PCLMULQDQ. It is
// slower than gapSSE42 and has digests.
type foldSSE42 struct {
	sse42
	acc            [8]VecVirtual
	pastTile, ones VecVirtual
}

func (k *foldSSE42) name(stores) string  { return "digestBlocksSSE42" }
func (k *foldSSE42) digests(stores) bool { return true }
func (k *foldSSE42) tile() int           { return 128 }
func (k *foldSSE42) unroll() int         { return 1 }
func (k *foldSSE42) ahead(stores) ahead  { return newByPages(k.tile()) }

func (k *foldSSE42) begin() {
	for i := range k.acc {
		k.acc[i] = XMM()
	}
	k.pastTile, k.ones = XMM(), XMM()
	MOVOU(data("past128", past(128)), k.pastTile)
	ones := GP32()
	MOVL(U32(0xffffffff), ones)
	MOVD(ones, k.ones) // the first four bytes of a block are complemented
}

func (k *foldSSE42) first(t *tile) {
	t.fetch(0, k.tile())
	for i := range k.acc {
		MOVOU(t.source(16*i, 16), k.acc[i])
	}
	PXOR(k.ones, k.acc[0])
}

func (k *foldSSE42) next(t *tile, skip int) {
	t.fetch(skip, k.tile())
	for i := range k.acc {
		loaded := XMM()
		MOVOU(t.source(skip+16*i, 16), loaded)
		multiply(k.acc[i], k.pastTile)
		PXOR(loaded, k.acc[i])
	}
}

// multiply multiplies both halves of x, each by its constant, and adds the products.
func multiply(x, by Register) {
	lower := XMM()
	MOVO(x, lower)
	PCLMULQDQ(U8(0x00), by, lower)
	PCLMULQDQ(U8(0x11), by, x)
	PXOR(lower, x)
}

func (k *foldSSE42) finish(digest Register) GPVirtual {
	x := addUp(k.acc[:], data("past112to0", pastAll(k.tile())...))
	ifNotNil(digest, 16, func() { MOVOU(x, at(digest, 0)) })
	return reduceSSE42(x)
}

// addUp moves all accumulators to the last one, by their constants, and adds them.
func addUp(acc []VecVirtual, constants Mem) VecVirtual {
	last := len(acc) - 1
	for i := range last {
		by := XMM()
		MOVOU(constants.Offset(16*i), by)
		multiply(acc[i], by)
		PXOR(acc[i], acc[last])
	}
	return acc[last]
}

func reduceSSE42(x Register) GPVirtual {
	lo, hi := GP64(), GP64()
	MOVQ(x, lo)
	PEXTRQ(U8(1), x, hi)
	return reduce(lo, hi)
}

// sse42 has the methods that the two kernels for SSE 4.2 share.
type sse42 struct{}

func (sse42) shift(sum GPVirtual, by Mem) Op {
	x, constant, moved := XMM(), XMM(), GP64()
	MOVD(sum.As32(), x)
	MOVOU(by, constant)
	PCLMULQDQ(U8(0x00), constant, x)
	MOVQ(x, moved)
	return moved
}

func (sse42) end() {}
