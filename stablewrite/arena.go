package stablewrite

import (
	"math/bits"
	"slices"

	"stablepages/crcguard"
)

// hugePage is the size of a huge page on amd64, and on arm64 with pages of 4 KiB.
const hugePage = 2 << 20

// arena divides mapped memory into chunks of 2^order blocks, and joins again what
// belongs together (a buddy allocator). Its Pool guards it.
type arena struct {
	limit, mapped int  // bytes
	apart         bool // there may be free halves of one chunk
	slabs         []*slab
	// free has the chunks that are free, by order, and some that are not any more:
	// slab.free decides.
	free     [bits.UintSize][]chunk
	mappings *mappings
}

// slab is memory that was mapped at once.
type slab struct {
	mem   []byte
	order int
	free  []int8 // by block: 1 + the order of the free chunk that begins there, or 0
}

// chunk is 2^order blocks of a slab, from block at on.
type chunk struct {
	slab  *slab
	arena *arena
	at    int
	order int
}

var noChunk chunk

func (p chunk) len() int      { return crcguard.BlockSize << p.order }
func (p chunk) bytes() []byte { return p.slab.mem[p.at*crcguard.BlockSize:][:p.len():p.len()] }

// orderOf is that of the chunk that holds n bytes.
func orderOf(n int) int {
	return bits.Len(uint((max(n, 1) - 1) / crcguard.BlockSize))
}

// take returns a chunk, or false if none of that order is free.
func (a *arena) take(order int) (chunk, bool) {
	for {
		for k := order; k < len(a.free); k++ {
			if p, ok := a.pop(k); ok {
				for ; p.order > order; a.push(chunk{p.slab, a, p.at + 1<<p.order, p.order}) {
					p.order--
				}
				if invariants {
					checkPoison(p.bytes())
				}
				return p, true
			}
		}
		if !a.join() && !a.grow(order) {
			return chunk{}, false
		}
	}
}

func (a *arena) pop(order int) (chunk, bool) {
	for free := &a.free[order]; len(*free) > 0; {
		last := len(*free) - 1
		p := (*free)[last]
		(*free)[last], *free = chunk{}, (*free)[:last]
		if int(p.slab.free[p.at]) == 1+order {
			p.slab.free[p.at] = 0
			return p, true
		}
	}
	return chunk{}, false
}

func (a *arena) push(p chunk) {
	p.slab.free[p.at] = int8(1 + p.order)
	a.free[p.order] = append(a.free[p.order], p)
}

// put makes p free. It is joined with its other half only when something larger is
// asked for: most often the same size is asked for again.
func (p chunk) put() {
	if invariants {
		poisoned(p.bytes())
	}
	p.arena.apart = true
	p.arena.push(p)
}

// join joins free halves, and reports whether there may have been any.
func (a *arena) join() bool {
	if !a.apart {
		return false
	}
	a.apart = false
	for _, s := range a.slabs {
		for order := range s.order {
			for at := 0; at < len(s.free); at += 2 << order {
				if other := at + 1<<order; int(s.free[at]) == 1+order && int(s.free[other]) == 1+order {
					s.free[other] = 0
					a.push(chunk{s, a, at, order + 1})
				}
			}
		}
	}
	return true
}

// grow maps one more slab, if the limit allows one with room for the order. A
// chunk larger than a huge page may need that smaller slabs are unmapped first.
func (a *arena) grow(order int) bool {
	size := max(crcguard.BlockSize<<order, hugePage)
	if room := a.limit - a.mapped; size > room {
		if size = 1 << bits.Len(uint(room)) >> 1; size < crcguard.BlockSize<<order {
			return a.shrink(order)
		}
	}
	s := &slab{mem: a.mappings.add(size), order: orderOf(size), free: make([]int8, size/crcguard.BlockSize)}
	if invariants {
		poisoned(s.mem)
	}
	a.mapped += size
	a.slabs = append(a.slabs, s)
	a.push(chunk{s, a, 0, s.order})
	return true
}

// shrink unmaps slabs that are free and too small for the order, and reports
// whether that makes room for one that is not.
func (a *arena) shrink(order int) bool {
	size := crcguard.BlockSize << order
	if size > a.limit {
		return false
	}
	before := a.mapped
	a.slabs = slices.DeleteFunc(a.slabs, func(s *slab) bool {
		idle := s.order < order && int(s.free[0]) == 1+s.order
		if idle {
			s.free[0] = 0
			a.mapped -= len(s.mem)
			a.mappings.drop(s.mem)
		}
		return idle
	})
	return a.mapped < before && size <= a.limit-a.mapped
}

// mappings are all that a Pool has mapped, by their first byte. They know nothing of
// the Pool, so that it can be collected.
type mappings struct{ all map[*byte]mapping }

type mapping struct {
	mem  []byte
	huge int // bytes that lay in huge pages when they were mapped
}

// add returns n bytes. Where mapping fails they are of the Go heap, which frees
// them itself.
func (m *mappings) add(n int) []byte {
	b, ok := mapMemory(n)
	if !ok {
		return AlignedBuffer(n)
	}
	m.all[&b[0]] = mapping{b, hugeBytes(b)}
	return b
}

func (m *mappings) drop(b []byte) {
	if _, ok := m.all[&b[0]]; ok {
		delete(m.all, &b[0])
		unmapMemory(b)
	}
}

func (m *mappings) unmap() {
	for _, b := range m.all {
		unmapMemory(b.mem)
	}
}
