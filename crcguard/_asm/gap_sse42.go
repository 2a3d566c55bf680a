package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// gapSSE42 folds a part of each tile, and sums gaps with CRC32 instructions: two units of
// the processor work at the same time. A tile is four times 48 folded bytes and a gap of
// 80, whose sum is added to the bytes that follow it. Sums of gaps have only 32 bits, so
// it has no digests.
type gapSSE42 struct {
	sse42
	acc      [groups * folded / 16]VecVirtual
	pastTile VecVirtual
	gap      GPVirtual // the CRC register after the last gap
}

const (
	groups = 4
	folded = 48 // bytes
	gap    = 80
	group  = folded + gap
)

func (k *gapSSE42) name(s stores) string { return s.verb() + "BlocksSSE42" }
func (k *gapSSE42) digests(stores) bool  { return false }
func (k *gapSSE42) tile() int            { return groups * group }
func (k *gapSSE42) unroll() int          { return 1 }

// ahead: short copies were slower when they fetched by pages.
func (k *gapSSE42) ahead(s stores) ahead {
	if s != noStores {
		return new(inOrder)
	}
	return newByPages(k.tile())
}

func (k *gapSSE42) begin() {
	for i := range k.acc {
		k.acc[i] = XMM()
	}
	k.pastTile, k.gap = XMM(), GP64()
	MOVOU(data("past512", past(k.tile())), k.pastTile)
}

func (k *gapSSE42) first(t *tile) {
	MOVL(U32(0xffffffff), k.gap.As32()) // the first four bytes of a block are complemented
	k.add(t, 0, true)
}

func (k *gapSSE42) next(t *tile, skip int) { k.add(t, skip, false) }

// add adds a tile. It loads every byte once, in order, and stores the loaded bytes.
func (k *gapSSE42) add(t *tile, skip int, first bool) {
	t.fetch(skip, k.tile())
	for g := range groups {
		n := skip + g*group
		for i := range folded / 16 {
			acc := k.acc[g*folded/16+i]
			loaded := acc
			if !first {
				loaded = XMM()
			}
			MOVOU(t.source(n+16*i, 16), loaded)
			switch t.stores {
			case cachedStores:
				MOVOU(loaded, at(t.dst, n+16*i))
			case streamingStores:
				MOVNTO(loaded, at(t.dst, n+16*i))
			}
			if !first {
				multiply(acc, k.pastTile)
				PXOR(loaded, acc)
			}
		}
		before := XMM()
		MOVD(k.gap.As32(), before)
		PXOR(before, k.acc[g*folded/16])
		XORL(k.gap.As32(), k.gap.As32())
		for i := n + folded; i < n+group; i += 8 {
			k.word(t, i)
		}
	}
}

// word adds eight bytes of a gap.
func (k *gapSSE42) word(t *tile, n int) {
	if t.stores == noStores {
		CRC32Q(t.source(n, 8), k.gap)
		return
	}
	loaded := GP64()
	MOVQ(t.source(n, 8), loaded)
	if t.stores == streamingStores {
		MOVNTIQ(loaded, at(t.dst, n))
	} else {
		MOVQ(loaded, at(t.dst, n))
	}
	CRC32Q(loaded, k.gap)
}

func (k *gapSSE42) finish(Register) GPVirtual {
	var pairs [][2]uint64
	last := (groups-1)*group + folded - 16
	for i := range k.acc {
		if n := last - i/(folded/16)*group - i%(folded/16)*16; n > 0 {
			pairs = append(pairs, past(n))
		}
	}
	sum := reduceSSE42(addUp(k.acc[:], data("past416to16", pairs...)))
	moved := k.shift(sum, data("past80", pastSum(gap)))
	XORL(sum.As32(), sum.As32())
	CRC32Q(moved, sum)
	XORL(k.gap.As32(), sum.As32())
	return sum
}
