package stablewrite

import (
	"math/bits"
	"runtime"

	"stablepages/crcguard"
)

// arena is a part of a Pool: slabs of 2 MiB, mapped one after the other as they are
// needed, and divided by halves into runs of blocks. Its Pool guards it.
type arena struct {
	limit, mapped, used int // bytes
	// slabs are all, by 1 + the order of the longest free run that taking looks for; 0:
	// full.
	slabs [slabOrder + 2][]*slab
}

// slabOrder is that of a whole slab: a run of order k is 2^k blocks, and begins at a
// multiple of that.
const slabOrder = 9

// slab is memory that was mapped at once.
type slab struct {
	mem   []byte
	heap  bool // mem is of the Go heap, because mapping failed
	place int  // in its list
	// free is a tree: that of node k are 2k and 2k+1, that of all blocks is 1. free[k]
	// is 1 + the order of the longest free run below it, 0 if there is none. Below a
	// node that is all free or all taken nothing is kept.
	free [2 << slabOrder]int8
}

// chunk is a run of blocks that somebody has.
type chunk struct {
	slab *slab
	mem  []byte
	at   int // first block
}

// orderOf is that of the run that holds n bytes.
func orderOf(n int) int { return bits.Len(uint((n - 1) / crcguard.BlockSize)) }

// take returns n bytes, whole blocks, in one run, or false if there is none. If heap is
// set, nobody has any memory of the arena and mapping fails, they are of the Go heap:
// there is nothing to wait for.
func (a *arena) take(n int, heap bool) (chunk, bool) {
	order := orderOf(n)
	for {
		for _, list := range a.slabs[1+order:] {
			if len(list) == 0 {
				continue
			}
			s := list[len(list)-1]
			at := s.find(order)
			a.mark(s, at, n, false)
			c := chunk{s, s.mem[at*crcguard.BlockSize:][:n:n], at}
			if invariants {
				checkPoison(c.mem)
			}
			return c, true
		}
		if !a.grow(crcguard.BlockSize<<order, heap) {
			return chunk{}, false
		}
	}
}

// put gives back what take returned.
func (a *arena) put(c chunk) {
	if invariants {
		poisoned(c.mem)
	}
	s := c.slab
	if a.mark(s, c.at, len(c.mem), true); s.heap && int(s.free[1]) == 1+orderOf(len(s.mem)) {
		a.remove(s) // and let mapping be tried again
		a.mapped -= len(s.mem)
	}
}

// grow adds a slab with a free run of n bytes, a power of two.
func (a *arena) grow(n int, heap bool) bool {
	size := min(hugePage, a.limit-a.mapped)
	if size < n {
		return false
	}
	s := new(slab)
	if mem, ok := mapMemory(size); ok {
		s.mem = mem
		runtime.AddCleanup(s, unmapMemory, mem)
	} else if heap && a.used == 0 {
		s.mem, s.heap = AlignedBuffer(n), true
	} else {
		return false
	}
	if invariants {
		poisoned(s.mem)
	}
	a.mapped += len(s.mem)
	a.add(s)
	a.mark(s, 0, len(s.mem), true)
	return true
}

func (a *arena) add(s *slab) {
	list := &a.slabs[s.free[1]]
	s.place = len(*list)
	*list = append(*list, s)
}

func (a *arena) remove(s *slab) {
	list := &a.slabs[s.free[1]]
	end := len(*list) - 1
	last := (*list)[end]
	(*list)[s.place], last.place = last, s.place
	(*list)[end], *list = nil, (*list)[:end]
}

// mark makes n bytes from block at on free, or taken.
func (a *arena) mark(s *slab, at, n int, free bool) {
	a.remove(s)
	s.mark(1, slabOrder, at, at+n/crcguard.BlockSize, free)
	a.add(s)
}

// mark makes those blocks from lo to hi, counted from the first of the node, free or
// taken that are below the node.
func (s *slab) mark(node, order, lo, hi int, free bool) {
	half := 1 << order >> 1
	if lo <= 0 && 1<<order <= hi {
		s.free[node] = 0
		if free {
			s.free[node] = int8(1 + order)
		}
		return
	}
	left, right := &s.free[2*node], &s.free[2*node+1]
	if was := s.free[node]; was == 0 || int(was) == 1+order {
		*left = max(0, was-1)
		*right = *left
	}
	if lo < half {
		s.mark(2*node, order-1, lo, hi, free)
	}
	if hi > half {
		s.mark(2*node+1, order-1, lo-half, hi-half, free)
	}
	if s.free[node] = max(*left, *right); int(min(*left, *right)) == order {
		s.free[node]++
	}
}

// find returns the first block of a free run of the order, of the shorter of two that
// there are. There is one.
func (s *slab) find(order int) (at int) {
	node := 1
	for k := slabOrder; k > order && int(s.free[node]) <= k; k-- {
		left, right := int(s.free[2*node]), int(s.free[2*node+1])
		if node *= 2; left <= order || order < right && right < left {
			node++
			at += 1 << k >> 1
		}
	}
	return at
}
