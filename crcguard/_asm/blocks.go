package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const blockSize = 4096 // crcguard.BlockSize

// kernel goes through a block tile by tile. A tile is as large as the memory that the
// accumulators fold at a time.
type kernel interface {
	name(s stores) string
	digests(s stores) bool // whether it has digests
	tile() int             // bytes
	unroll() int           // tiles in one turn of the loop
	ahead(s stores) ahead

	begin()                 // loads the constants that stay in registers
	first(t *tile)          // loads the first tile of a block into the accumulators
	next(t *tile, skip int) // moves them past a tile, and adds the tile skip bytes further on
	// finish adds the accumulators up and returns the CRC register, which is the
	// complement of the sum. It stores the digest at digest, unless that is nil or holds
	// a nil pointer.
	finish(digest Register) GPVirtual
	shift(sum GPVirtual, by Mem) Op // sum times a constant: eight bytes
	end()
}

// stores says how the loaded bytes are stored.
type stores int

const (
	noStores stores = iota
	cachedStores
	streamingStores
)

// verb begins the names of functions.
func (s stores) verb() string { return [...]string{"sum", "copy", "stream"}[s] }

// tile is the position of the kernel.
type tile struct {
	stores   stores
	src, dst Register
	ahead    ahead
	loaded   int // bytes from src on
}

// source is the next n bytes of the source. Each byte is loaded once, so that the stored
// byte is the summed byte even if others write to the source. Loads are in order, because
// memory is fastest then.
func (t *tile) source(at, n int) Mem {
	if at != t.loaded {
		panic(fmt.Sprintf("bytes from %d on are loaded after the first %d", at, t.loaded))
	}
	t.loaded += n
	return Mem{Base: t.src, Disp: at}
}

// fetch fetches ahead for the n bytes that are skip bytes further on.
func (t *tile) fetch(skip, n int) { t.ahead.tile(t.src, skip, n) }

func (t *tile) advance(n int) {
	if n != t.loaded {
		panic(fmt.Sprintf("%d bytes of %d were loaded", t.loaded, n))
	}
	t.loaded = 0
	ADDQ(U32(n), t.src)
	t.ahead.advance(n)
	if t.stores != noStores {
		ADDQ(U32(n), t.dst)
	}
}

func at(r Register, n int) Mem { return Mem{Base: r, Disp: n} }

// blocks generates one function.
func blocks(k kernel, s stores) {
	name, params := k.name(s), "src *byte, n int, sums *uint32"
	about := []string{name + " returns sum continued over the n > 0 blocks at src, and stores the", "sum of each at sums, if that is not nil."}
	if s != noStores {
		params = "dst, " + params
		about = append(about, "It copies the blocks to dst"+[]string{cachedStores: ".", streamingStores: ", aligned to a cache line, past the caches."}[s])
	}
	if k.digests(s) {
		params += ", digests *[2]uint64"
		about = append(about, "It stores the digest of each at digests, if that is not nil.")
	}
	TEXT(name, NOSPLIT, "func(sum uint32, "+params+") uint32")
	Doc(about...)
	Pragma("noescape")

	whole := GP64()
	Load(Param("sum"), whole.As32())
	t := &tile{stores: s, src: Load(Param("src"), GP64()), ahead: k.ahead(s)}
	if s != noStores {
		t.dst = Load(Param("dst"), GP64())
	}
	n := Load(Param("n"), GP64())
	sums := Load(Param("sums"), GP64())
	var digests Register
	if k.digests(s) {
		digests = Load(Param("digests"), GP64())
	}
	k.begin()
	t.ahead.begin()

	align(64)
	Label("block")
	t.ahead.block(t.src, n)
	k.first(t)
	t.advance(k.tile())
	turns, turn := GP32(), k.unroll()*k.tile()
	if (blockSize-k.tile())%turn != 0 {
		panic(fmt.Sprintf("%s: a block is not one tile and turns of %d", name, k.unroll()))
	}
	MOVL(U32((blockSize-k.tile())/turn), turns)
	align(32)
	Label("tile")
	for i := range k.unroll() {
		k.next(t, i*k.tile())
	}
	t.advance(turn)
	DECL(turns)
	JNZ(LabelRef("tile"))

	sum := k.finish(digests)
	NOTL(sum.As32())
	TESTQ(sums, sums)
	JZ(LabelRef("whole"))
	MOVL(sum.As32(), at(sums, 0))
	ADDQ(U32(4), sums)

	// The sum so far, past this block, and the sum of this block.
	Label("whole")
	moved := k.shift(whole, data("past4096", pastSum(blockSize)))
	XORL(whole.As32(), whole.As32())
	CRC32Q(moved, whole)
	XORL(sum.As32(), whole.As32())
	DECQ(n)
	JNZ(LabelRef("block"))

	if s == streamingStores {
		SFENCE()
	}
	k.end()
	Store(whole.As32(), ReturnIndex(0))
	RET()
}

// reduce returns the CRC register after the sixteen bytes lo and hi. CRC32 moves eight
// bytes past 32 bits and reduces them modulo P.
func reduce(lo, hi Op) GPVirtual {
	sum := GP64()
	XORL(sum.As32(), sum.As32())
	CRC32Q(lo, sum)
	CRC32Q(hi, sum)
	return sum
}

// ifNotNil does something, and then advances p, if p is not nil.
func ifNotNil(p Register, advance int, do func()) {
	if p == nil {
		return
	}
	TESTQ(p, p)
	JZ(LabelRef("noDigest"))
	do()
	ADDQ(U32(advance), p)
	Label("noDigest")
}

// align pads the code, so that a loop begins where the processor fetches.
func align(n int) {
	Instruction(&ir.Instruction{Opcode: "PCALIGN", Operands: []Op{U32(n)}})
}
