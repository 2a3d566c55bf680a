package stablewrite

import (
	"math/bits"
	"runtime"

	"stablepages/crcguard"
)

// arena is a part of a Pool: slabs of 2 MiB, mapped one after the other as they are
// needed, and halved repeatedly into runs of blocks. A run of order k is 2^k blocks, and
// begins at a multiple of 2^k. The mutex of the Pool guards the arena.
type arena struct {
	limit, mapped, used int   // bytes
	spare               chunk // given back last, not joined with its neighbours yet
	// slabs lists all slabs, at 1 + the order of their longest free run, or at 0 if they
	// have none.
	slabs [slabOrder + 2][]*slab
}

// slabOrder is the order of a whole slab.
const slabOrder = 9

// slab is memory that was mapped at once.
type slab struct {
	mem   []byte
	heap  bool // mem is of the Go heap, because mapping failed
	place int  // in its list
	// free is a tree: node 1 is the whole slab, nodes 2k and 2k+1 are the halves of node
	// k. free[k] is 1 + the order of the longest free run of node k, or 0. Nodes below one
	// that is free or was taken as a whole are not maintained.
	free [2 << slabOrder]int8
}

// chunk is a run of blocks that was taken.
type chunk struct {
	slab *slab
	mem  []byte
	at   int // first block
}

// orderOf returns the order of the shortest run that holds n bytes.
func orderOf(n int) int { return bits.Len(uint((n - 1) / crcguard.BlockSize)) }

// take returns n bytes, whole blocks, in one run, or false if it finds no run. They are of
// the Go heap if heap is set, mapping fails and no memory of the arena is in use: there
// is nothing to wait for then.
func (a *arena) take(n int, heap bool) (c chunk, ok bool) {
	order := orderOf(n)
	for !ok {
		switch {
		case len(a.spare.mem) == n:
			c, a.spare, ok = a.spare, chunk{}, true
		case a.find(&c, order, n):
			ok = true
		case a.spare.slab != nil:
			a.join(a.spare)
			a.spare = chunk{}
		case !a.grow(crcguard.BlockSize<<order, heap):
			return c, false
		}
	}
	if invariants {
		checkPoison(c.mem)
	}
	return c, true
}

// find takes n bytes of a free run of at least the order, in a slab whose longest run is
// as short as possible.
func (a *arena) find(c *chunk, order, n int) bool {
	for _, list := range a.slabs[1+order:] {
		if len(list) > 0 {
			s := list[len(list)-1]
			at := s.find(order)
			a.mark(s, at, n, false)
			*c = chunk{s, s.mem[at*crcguard.BlockSize:][:n:n], at}
			return true
		}
	}
	return false
}

// put gives back a chunk. It becomes the spare: the next request is often of the same
// size.
func (a *arena) put(c chunk) {
	if invariants {
		poisoned(c.mem)
	}
	if !c.slab.heap {
		c, a.spare = a.spare, c
	}
	if c.slab != nil {
		a.join(c)
	}
}

// join makes c free.
func (a *arena) join(c chunk) {
	s := c.slab
	if a.mark(s, c.at, len(c.mem), true); s.heap && int(s.free[1]) == 1+orderOf(len(s.mem)) {
		a.remove(s, s.free[1]) // so that the next request tries to map memory again
		a.mapped -= len(s.mem)
	}
}

// grow adds a slab with a free run of n bytes, a power of two, if it can.
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

// remove takes s out of its list, which is that of its longest run.
func (a *arena) remove(s *slab, longest int8) {
	list := &a.slabs[longest]
	end := len(*list) - 1
	last := (*list)[end]
	(*list)[s.place], last.place = last, s.place
	(*list)[end], *list = nil, (*list)[:end]
}

// mark marks n bytes from block at on as free or taken.
func (a *arena) mark(s *slab, at, n int, free bool) {
	was := s.free[1]
	for end := at + n/crcguard.BlockSize; at < end; {
		order := min(bits.Len(uint(end-at))-1, bits.TrailingZeros(uint(at|1<<slabOrder)))
		s.mark(at, order, free)
		at += 1 << order
	}
	if now := s.free[1]; now != was {
		a.remove(s, was)
		a.add(s)
	}
}

// mark marks the run of the order that begins at block at as free or taken, and updates
// the nodes above it. Runs are freed as they were taken.
func (s *slab) mark(at, order int, free bool) {
	at |= 1 << slabOrder
	is := int8(1 + order)
	if !free {
		is = 0
		for k := slabOrder; k > order; k-- {
			if node := at >> k; int(s.free[node]) == 1+k {
				s.free[2*node], s.free[2*node+1] = int8(k), int8(k)
			}
		}
	}
	s.free[at>>order] = is
	for k := order + 1; k <= slabOrder; k++ {
		node := at >> k
		left, right := s.free[2*node], s.free[2*node+1]
		if is = max(left, right); int(min(left, right)) == k {
			is++
		}
		if s.free[node] == is {
			break
		}
		s.free[node] = is
	}
}

// find returns the first block of a free run of the order, which exists. Of two halves
// with such a run it prefers the one whose longest run is shorter.
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
