package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// ahead fetches memory into the caches before it is loaded: the prefetcher of the
// processor stops at the end of a page, which is a block. It fetches only memory that
// will be loaded.
type ahead interface {
	begin()                         // before the first block
	block(src Register, n Register) // before each block, at src, with n blocks left
	tile(src Register, at, n int)   // fetches for the n bytes that lie at bytes after src
	advance(n int)                  // follows src
}

const line = 64 // bytes, which one instruction fetches

// inOrder fetches the memory nearBytes further on.
type inOrder struct{ skip GPVirtual }

// nearBytes is how far ahead inOrder fetches: on the processors that were tried, less was
// slower and more was no faster.
const nearBytes = 2048

func (a *inOrder) begin() { a.skip = GP64() }

func (a *inOrder) block(_ Register, n Register) {
	none := GP64()
	XORL(none.As32(), none.As32())
	MOVL(U32(nearBytes), a.skip.As32())
	CMPQ(n, U8(1))
	CMOVQEQ(none, a.skip)
}

func (a *inOrder) tile(src Register, at, n int) {
	for i := at; i < at+n; i += line {
		PREFETCHT0(Mem{Base: src, Index: a.skip, Scale: 1, Disp: i})
	}
}

func (a *inOrder) advance(int) {}

// byPages fetches parts of several blocks in turn, a line of each, because memory
// delivers several pages at a time faster than one after the other. With four parts,
// while block k is loaded, the first quarter of block k+4 is fetched, the second of
// k+3, the third of k+2 and the last of k+1.
type byPages struct {
	parts int         // of a block; and so many blocks ahead
	at    GPVirtual   // begins at the block, and advances by the bytes fetched of each part
	skip  []GPVirtual // from there to each part
}

// newByPages has as many parts as a tile has lines, four at most: two gain half as
// much, and plain reading of eight pages at a time was no faster than of four.
func newByPages(tile int) *byPages { return &byPages{parts: min(4, tile/line)} }

func (a *byPages) begin() {
	a.at = GP64()
	for range a.parts {
		a.skip = append(a.skip, GP64())
	}
	for i, skip := range a.skip {
		MOVL(U32((a.parts-i)*blockSize+i*blockSize/a.parts), skip.As32())
	}
}

func (a *byPages) block(src Register, n Register) {
	MOVQ(src, a.at)
	CMPQ(n, U8(a.parts))
	JG(LabelRef("fetched"))
	// Few blocks are left: fetch all parts of the next one, or of the last one itself.
	next, none := GP64(), GP64()
	MOVL(U32(blockSize), next.As32())
	XORL(none.As32(), none.As32())
	CMPQ(n, U8(1))
	CMOVQEQ(none, next)
	for i, skip := range a.skip {
		LEAQ(Mem{Base: next, Disp: i * blockSize / a.parts}, skip)
	}
	Label("fetched")
}

func (a *byPages) tile(_ Register, at, n int) {
	for i := at / a.parts; i < (at+n)/a.parts; i += line {
		for _, skip := range a.skip {
			PREFETCHT0(Mem{Base: a.at, Index: skip, Scale: 1, Disp: i})
		}
	}
}

func (a *byPages) advance(n int) { ADDQ(U32(n/a.parts), a.at) }
