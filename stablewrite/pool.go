package stablewrite

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"stablepages/crcguard"
)

// DefaultPoolBytes is the size of the Pool that Files share by default.
const DefaultPoolBytes = 64 << 20

// Pool bounds the private memory of the Files that share it. The zero value is a Pool
// of DefaultPoolBytes. It maps memory 2 MiB at a time when it is first needed, in
// huge pages if the system grants them, and unmaps it when the Pool is garbage
// collected. Callers never get any of it. If the system refuses to map more, writes wait
// until others return memory, and go out in smaller segments; if no other write holds
// any, a write gets a few blocks of the Go heap.
//
// An eighth of it, 2 MiB at most, is set aside for resubmissions: a write under Verify
// requests private memory when its buffer changed, and must not wait then for writes
// that have not begun. Writes that copy, and reads that need private memory, reserve it
// from the rest before they submit anything: a full Pool delays the start of a write,
// never its end. Resubmissions also use the rest while no earlier request waits. If
// enough memory is free but no run of it is as long as a segment, the write goes out in
// shorter segments; it waits only if no run holds a unit of the device.
//
// A write that waits for a range already holds its memory; enough such writes make
// other writes, and reads that need private memory, wait. Requests are served in order.
// No File may hold more than half of the default Pool, without the part set aside,
// unless one Write needs more: a request beyond that waits until the same File returns
// memory, and does not delay other Files. A File whose Device writes to another File
// must not share its Pool: they could wait for each other.
type Pool struct {
	mu      sync.Mutex
	bytes   int   // at most; 0: DefaultPoolBytes
	copies  arena // for writes that copy, and reads
	share   arena // for resubmissions
	inUse   int
	peak    int
	waiting []*loan // in order
	again   int     // resubmissions among them
	round   int     // counts calls of serve
}

// processPool is the default Pool. No File may hold more than half of it.
var processPool Pool

// NewPool returns a Pool of at most bytes bytes; at least 8192: a block for a copy
// and a block for a resubmission.
func NewPool(bytes int) *Pool { return &Pool{bytes: max(bytes, 2*crcguard.BlockSize)} }

func (p *Pool) limit() int { return cmp.Or(p.bytes, DefaultPoolBytes) }

// sizes returns the sizes of the two arenas.
func (p *Pool) sizes() (copies, share int) {
	const block = crcguard.BlockSize
	share = min(max(p.limit()/8, block), hugePage) / block * block
	return (p.limit() - share) / block * block, share
}

// largest returns the longest run for a write that copies, and the bytes set aside for
// resubmissions.
func (p *Pool) largest() (copies, share int) {
	copies, share = p.sizes()
	return min(hugePage, 1<<(bits.Len(uint(copies))-1)), share
}

// use returns the figures of Stats.
func (p *Pool) use() (peak, mapped, huge int) {
	var all [][]byte
	p.mu.Lock()
	peak, mapped = p.peak, p.copies.mapped+p.share.mapped
	for _, s := range slices.Concat(slices.Concat(p.copies.slabs[:]...), slices.Concat(p.share.slabs[:]...)) {
		all = append(all, s.mem)
	}
	p.mu.Unlock()
	if len(all) > 0 {
		huge = hugeBytes(all...)
	}
	return peak, mapped, huge
}

// loan is a request for private memory, and the memory that was granted.
type loan struct {
	chunks []chunk
	size   int // of each, in bytes
	count  int
	least  int    // the shortest size that is acceptable, a power of two
	from   *arena // that has the chunks
	quota  *quota // of the File; nil: not bounded
	turn   chan struct{}
	seg    *segment // to go on with when the loan is granted; nil: turn is signalled
}

// quota bounds the copies of a File in a Pool. Pool.mu guards it.
type quota struct {
	held  int // bytes
	round int // the last call of serve in which a request of the File exceeded the quota
}

// reserve gets count chunks of size bytes, which is at most largest. If enough is free but
// not in runs so long, they are shorter, though not shorter than least; c.size is their
// size. reserve may wait. A caller that holds a reservation must not reserve more: that
// could deadlock.
func (p *Pool) reserve(c *loan, size, count, least int) {
	c.size, c.count, c.least, c.seg = size, count, least, nil
	if c.turn == nil {
		c.turn = make(chan struct{}, 1)
	}
	lent, ok := p.enter(c)
	if goOn(lent); !ok {
		hurry()
		<-c.turn
		patient()
	}
}

// ask gets one chunk for seg, as long as possible between least and size bytes. Without
// memory for it seg goes on later. The caller calls goOn with lent.
func (p *Pool) ask(c *loan, seg *segment, size, least int) (lent []*segment, ok bool) {
	c.size, c.count, c.least, c.seg = size, 1, least, seg
	return p.enter(c)
}

// enter grants c what it asks for, or lets it wait.
func (p *Pool) enter(c *loan) (lent []*segment, ok bool) {
	c.size, c.least = roundUp(c.size, crcguard.BlockSize), max(c.least, crcguard.BlockSize)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.copies.limit == 0 {
		p.copies.limit, p.share.limit = p.sizes()
	}
	if p.waiting = append(p.waiting, c); c.seg != nil {
		p.again++
	}
	lent = p.serve(c) // also earlier requests: mapping may succeed now
	return lent, len(c.chunks) > 0
}

// serve grants waiting requests, in order, and returns segments for goOn. A request that
// exceeds the quota of its File delays only requests of the same File. serve does not
// signal here, the request of its caller.
func (p *Pool) serve(here *loan) (lent []*segment) {
	copies, share := true, true // no earlier request waits for this arena
	p.round++
	for i := 0; i < len(p.waiting) && (copies || share && p.again > 0); {
		c := p.waiting[i]
		over := p.over(c)
		if !p.grant(c, copies && !over, share && c.seg != nil) {
			copies = copies && over
			share = share && c.seg == nil
			i++
			continue
		}
		p.waiting = slices.Delete(p.waiting, i, i+1)
		if c.seg != nil {
			p.again--
		}
		switch {
		case c == here:
		case c.seg != nil:
			lent = append(lent, c.seg)
		default:
			c.turn <- struct{}{}
		}
	}
	return lent
}

// over reports whether c exceeds the quota of its File, or an earlier request of the File
// did. A File that holds nothing may get any amount.
func (p *Pool) over(c *loan) bool {
	q := c.quota
	if q == nil || q.round != p.round && (q.held == 0 || q.held+c.count*c.size <= p.limit()/2) {
		return false
	}
	q.round = p.round
	return true
}

// grant gives c the longest chunks that the allowed arenas have. A write gets shorter
// ones only if enough memory is free, but not in runs so long; otherwise it waits.
func (p *Pool) grant(c *loan, copies, share bool) bool {
	if c.seg == nil && c.count*c.size > p.copies.limit-p.copies.used {
		return false
	}
	for n := c.size; n >= c.least; n = n / 2 &^ (c.least - 1) {
		if copies && p.take(c, &p.copies, n) || share && p.take(c, &p.share, n) {
			return true
		}
	}
	return false
}

// take gives c its chunks, of n bytes, from a, or none.
func (p *Pool) take(c *loan, a *arena, n int) bool {
	for range c.count {
		chunk, ok := a.take(n, n/2 < c.least)
		if !ok {
			c.put(a)
			return false
		}
		c.chunks = append(c.chunks, chunk)
	}
	c.size, c.from = n, a
	p.account(c, n*c.count)
	p.peak = max(p.peak, p.inUse)
	return true
}

// account adds n bytes to the bytes in use.
func (p *Pool) account(c *loan, n int) {
	p.inUse += n
	c.from.used += n
	if c.quota != nil && c.from == &p.copies {
		c.quota.held += n
	}
}

// put gives the chunks back to a.
func (c *loan) put(a *arena) {
	for _, chunk := range c.chunks {
		a.put(chunk)
	}
	clear(c.chunks)
	c.chunks = c.chunks[:0]
}

// release returns the memory of c, if any, and goes on with segments that waited for it.
// The caller holds no lock.
func (p *Pool) release(c *loan) { goOn(p.free(c)) }

// free returns the memory of c, if any, serves others, and returns segments for goOn.
func (p *Pool) free(c *loan) (lent []*segment) {
	if len(c.chunks) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.account(c, -c.size*c.count)
	c.put(c.from)
	c.from = nil // so that a Write does not keep the Pool
	return p.serve(nil)
}

// goOn goes on with segments that got the memory that they waited for. The caller holds
// no lock.
func goOn(lent []*segment) {
	for _, s := range lent {
		s.of.granted(s)
	}
}

// poison fills memory of a Pool that is not in use, if invariants is set.
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
