package stablewrite

import (
	"fmt"
	"math/bits"
	"runtime"
	"sync"

	"stablepages/crcguard"
)

// DefaultPoolBytes is the size of the Pool that Files share unless told otherwise.
const DefaultPoolBytes = 64 << 20

// Pool bounds the private memory of the Files that share it. The zero value is
// a Pool of DefaultPoolBytes. Its memory is mapped when it is first needed, in
// huge pages where the system has them, and unmapped when the Pool is collected;
// none of it is ever handed to a caller.
//
// An eighth of it, 2 MiB at most, is set aside for resubmissions: a write under
// Verify asks for private memory when its buffer changed, and must not wait then
// for writes that have not begun. The rest is reserved by writes that copy,
// before they submit anything. Writes get memory in the order in which they asked,
// but one of a File that has its half of the default Pool holds up no other File. A
// File whose Device writes to another File must not share its Pool: they could wait
// for each other.
type Pool struct {
	mu       sync.Mutex
	limit    int   // 0 in a zero value
	copies   arena // for writes that copy
	share    arena // for resubmissions
	inUse    int
	peak     int
	waiting  loans // for copies
	again    loans // for share
	mappings *mappings
}

// processPool is that of all Files that have no other. No File may hold more than
// half of it.
var processPool Pool

// NewPool returns a Pool of at most bytes bytes; less than 8192 is taken as
// 8192: a block for a copy, a block for a resubmission. What a segment takes is
// rounded up to a power of two.
func NewPool(bytes int) *Pool {
	return &Pool{limit: max(bytes, 2*crcguard.BlockSize)}
}

// lock also makes a Pool of a zero value.
func (p *Pool) lock() {
	p.mu.Lock()
	if p.mappings != nil {
		return
	}
	if p.limit == 0 {
		p.limit = DefaultPoolBytes
	}
	p.mappings = &mappings{make(map[*byte]mapping)}
	p.share.limit = 1 << (bits.Len(uint(min(max(p.limit/8, crcguard.BlockSize), hugePage))) - 1)
	p.copies.limit = p.limit - p.share.limit
	p.share.mappings, p.copies.mappings = p.mappings, p.mappings
	runtime.AddCleanup(p, (*mappings).unmap, p.mappings)
}

// largest is the longest chunk that the Pool can give a write that copies, and what
// is set aside for resubmissions.
func (p *Pool) largest() (copies, share int) {
	p.lock()
	defer p.mu.Unlock()
	return 1 << (bits.Len(uint(p.copies.limit)) - 1), p.share.limit
}

// use is what Stats tell of a Pool.
func (p *Pool) use() (peak, mapped, huge int) {
	p.lock()
	defer p.mu.Unlock()
	for _, m := range p.mappings.all {
		mapped += len(m.mem)
		if m.huge < 0 || huge < 0 {
			huge = -1
		} else {
			huge += m.huge
		}
	}
	return p.peak, mapped, huge
}

// loan is a request for private memory, and what was granted.
type loan struct {
	chunks []chunk
	size   int // of each chunk, at least
	count  int // for writes
	least  int // for resubmissions: what size may be lowered to
	// held is what the File has of the Pool, if that is bounded. It is guarded by
	// Pool.mu.
	held *int
	turn chan struct{}
	seg  *segment // goes on when it is granted; nil: turn is signalled
	next *loan
}

// loans wait in the order in which they came.
type loans struct{ first, last *loan }

func (q *loans) push(c *loan) {
	if c.next = nil; q.first == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
}

// pop takes the first out, and leaves nothing that leads to it, or from it to those
// behind: a Pool and a Write that is kept must not keep what others wrote.
func (q *loans) pop() *loan {
	c := q.first
	if q.first = c.next; q.first == nil {
		q.last = nil
	}
	c.next = nil
	return c
}

// reserve gets count chunks of size bytes, at most largest each, waiting for them
// if it must. Whoever holds what it reserved must not reserve more: that could
// deadlock.
func (p *Pool) reserve(c *loan, size, count int) {
	c.size, c.count, c.seg = size, count, nil
	if c.turn == nil {
		c.turn = make(chan struct{}, 1)
	}
	p.lock()
	if p.waiting.first == nil && p.grant(c) {
		p.mu.Unlock()
		return
	}
	p.waiting.push(c)
	p.serve() // those before may wait for their own File's share only
	p.mu.Unlock()
	hurry()
	<-c.turn
	patient()
}

// grant gives c what it asks for, or nothing.
func (p *Pool) grant(c *loan) bool {
	order := orderOf(c.size)
	need := c.count * crcguard.BlockSize << order
	if c.over(need, p.limit) {
		return false
	}
	for range c.count {
		chunk, ok := p.copies.take(order)
		if !ok {
			p.back(c)
			return false
		}
		p.took(c, chunk)
	}
	if c.held != nil {
		*c.held += need
	}
	return true
}

// over reports whether need is more than the File of c may have. One that has
// nothing may have anything.
func (c *loan) over(need, limit int) bool {
	return c.held != nil && *c.held > 0 && *c.held+need > limit/2
}

func (p *Pool) took(c *loan, chunk chunk) {
	c.chunks = append(c.chunks, chunk)
	p.inUse += chunk.len()
	p.peak = max(p.peak, p.inUse)
}

func (p *Pool) back(c *loan) {
	for i, chunk := range c.chunks {
		p.inUse -= chunk.len()
		chunk.put()
		c.chunks[i] = noChunk
	}
	c.chunks = c.chunks[:0]
}

// ask gets one chunk for seg: of c.size bytes if that is free, else what the share
// has, at least least. If that has nothing, seg goes on later.
func (p *Pool) ask(c *loan, seg *segment, size, least int) bool {
	c.size, c.least, c.seg = size, least, seg
	p.lock()
	defer p.mu.Unlock()
	if p.waiting.first == nil {
		if chunk, ok := p.copies.take(orderOf(size)); ok {
			p.took(c, chunk)
			return true
		}
	}
	if p.again.first == nil && p.lend(c) {
		return true
	}
	p.again.push(c)
	return false
}

// lend gives c a chunk of the share, the largest that helps.
func (p *Pool) lend(c *loan) bool {
	for order := min(orderOf(c.size), orderOf(p.share.limit)); order >= orderOf(c.least); order-- {
		if chunk, ok := p.share.take(order); ok {
			p.took(c, chunk)
			return true
		}
	}
	return false
}

// release gives back what c was granted. The caller holds no lock.
func (p *Pool) release(c *loan) {
	var lent loans
	if len(c.chunks) > 0 {
		p.free(c, &lent)
	}
	tell(&lent)
}

// free gives back what c was granted, grants others what they wait for, and adds
// to lent those that tell is to be called with.
func (p *Pool) free(c *loan, lent *loans) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.held != nil {
		for _, chunk := range c.chunks {
			*c.held -= chunk.len()
		}
	}
	p.back(c)
	for p.again.first != nil && p.lend(p.again.first) {
		lent.push(p.again.pop())
	}
	p.serve()
}

// tell lets segments go on that have the memory that they waited for. The caller
// holds no lock.
func tell(lent *loans) {
	for lent.first != nil {
		seg := lent.pop().seg
		seg.of.granted(seg)
	}
}

// serve grants what writes wait for, in order. Those whose File has enough wait on
// and hold nobody else up.
func (p *Pool) serve() {
	link, last := &p.waiting.first, (*loan)(nil)
	for c := *link; c != nil; c = *link {
		switch {
		case c.over(c.count*crcguard.BlockSize<<orderOf(c.size), p.limit):
			link, last = &c.next, c
		case p.grant(c):
			*link, c.next = c.next, nil
			c.turn <- struct{}{}
		default:
			return
		}
	}
	p.waiting.last = last
}

// poison is what memory of a Pool holds while nobody has it, if invariants.
const poison = 0xdb

func poisoned(b []byte) {
	for i := range b {
		b[i] = poison
	}
}

func checkPoison(b []byte) {
	for i, v := range b {
		if v != poison {
			panic(fmt.Sprintf("stablewrite: byte %d of memory of the Pool was written after it was given back", i))
		}
	}
}
