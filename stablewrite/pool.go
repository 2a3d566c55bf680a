package stablewrite

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"stablepages/crcguard"
)

// DefaultPoolBytes is the size of the Pool that Files share unless told otherwise.
const DefaultPoolBytes = 64 << 20

// Pool bounds the private memory of the Files that share it. The zero value is a Pool
// of DefaultPoolBytes. It maps memory 2 MiB at a time when it is first needed, in
// huge pages where the system has them, and unmaps it when the Pool is garbage
// collected. None of it is ever handed to a caller. If the system refuses to map
// more, writes wait until others return memory, and go out in smaller segments; if no
// other write holds any, a write gets a few blocks of the Go heap.
//
// An eighth of it, 2 MiB at most, is set aside for resubmissions: a write under
// Verify asks for private memory when its buffer changed, and must not wait then for
// writes that have not begun. Writes that copy reserve from the rest before they
// submit anything, and so do reads that need private memory: a full Pool delays the
// start of a write, never its end. Resubmissions also use the rest while nobody who
// asked earlier waits. If enough memory is free but no run of it is as long as a
// segment, the write goes out in shorter segments; it waits only if no run holds a
// unit of the device.
//
// A write that waits for a range already holds its memory; enough such writes make
// other writes, and reads that need private memory, wait. Memory is given in the
// order in which it was asked for. No File may hold more than half of the default
// Pool, without the part set aside, unless one Write needs more: a request beyond
// that waits until the same File returns memory, and does not delay other Files. A
// File whose Device writes to another File must not share its Pool: they could wait
// for each other.
type Pool struct {
	mu      sync.Mutex
	bytes   int   // at most; 0: DefaultPoolBytes
	copies  arena // for writes that copy, and reads
	share   arena // for resubmissions
	inUse   int
	peak    int
	waiting []*loan // in the order in which they came
	again   int     // resubmissions among them
	round   int     // of serve
}

// processPool is that of all Files that have no other. No File may hold more than
// half of it.
var processPool Pool

// NewPool returns a Pool of at most bytes bytes; at least 8192: a block for a copy
// and a block for a resubmission.
func NewPool(bytes int) *Pool { return &Pool{bytes: max(bytes, 2*crcguard.BlockSize)} }

func (p *Pool) limit() int { return cmp.Or(p.bytes, DefaultPoolBytes) }

// sizes are of the two arenas.
func (p *Pool) sizes() (copies, share int) {
	const block = crcguard.BlockSize
	share = min(max(p.limit()/8, block), hugePage) / block * block
	return (p.limit() - share) / block * block, share
}

// largest is the longest run that a write that copies is given, and what is set
// aside for resubmissions.
func (p *Pool) largest() (copies, share int) {
	copies, share = p.sizes()
	return min(hugePage, 1<<(bits.Len(uint(copies))-1)), share
}

// use is what Stats tell of a Pool.
func (p *Pool) use() (peak, mapped, huge int) {
	var all [][]byte
	p.mu.Lock()
	peak, mapped = p.peak, p.copies.mapped+p.share.mapped
	for _, a := range []*arena{&p.copies, &p.share} {
		for _, list := range a.slabs {
			for _, s := range list {
				all = append(all, s.mem)
			}
		}
	}
	p.mu.Unlock()
	if len(all) > 0 {
		huge = hugeBytes(all...)
	}
	return peak, mapped, huge
}

// loan is a request for private memory, and what was granted.
type loan struct {
	chunks []chunk
	size   int // of each, in bytes
	count  int
	least  int    // what size may be lowered to, a power of two
	from   *arena // of which the chunks are
	quota  *quota // of the File, if what it may have is bounded
	turn   chan struct{}
	seg    *segment // a resubmission's, which goes on when it is granted; nil: turn is signalled
}

// quota is what a File has of the Pool's copies. Pool.mu guards it.
type quota struct {
	held  int // bytes
	round int // of serve in which one of the File had to wait for others of it
}

// reserve gets count chunks of size bytes, at most largest, or, if there are none so
// long though enough is free, shorter ones, at least least; c.size says which. It waits
// for them if it must. Whoever holds what it reserved must not reserve more: that could
// deadlock.
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

// ask gets one chunk for seg, as long as there are, at most size bytes and at least
// least. If there is none, seg goes on later. goOn is to be called with lent.
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
	lent = p.serve(c) // those before, too: mapping may fail no longer
	return lent, len(c.chunks) > 0
}

// serve grants what is waited for, in order, and returns the segments that goOn is to be
// called with. Of what a File has enough of, the next of the same File must wait, but
// nobody else. It tells nobody of what is granted to here, who is here.
func (p *Pool) serve(here *loan) (lent []*segment) {
	copies, share := true, true // nobody before waits for them
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

// over reports whether the File of c has enough, or others of it wait before c. A File
// that has nothing may have anything.
func (p *Pool) over(c *loan) bool {
	q := c.quota
	if q == nil || q.round != p.round && (q.held == 0 || q.held+c.count*c.size <= p.limit()/2) {
		return false
	}
	q.round = p.round
	return true
}

// grant gives c the longest chunks that there are in what it may have. A write goes out
// in shorter segments only if enough is free, though not in runs so long: otherwise it
// waits.
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

// take gives c chunks of n bytes of a, or nothing.
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

// account adds n bytes to what is in use.
func (p *Pool) account(c *loan, n int) {
	p.inUse += n
	c.from.used += n
	if c.quota != nil && c.from == &p.copies {
		c.quota.held += n
	}
}

// put gives back the chunks, which are of a.
func (c *loan) put(a *arena) {
	for _, chunk := range c.chunks {
		a.put(chunk)
	}
	clear(c.chunks)
	c.chunks = c.chunks[:0]
}

// release gives back what c was granted, if anything, and lets segments go on that
// waited for it. The caller holds no lock.
func (p *Pool) release(c *loan) { goOn(p.free(c)) }

// free gives back what c was granted, grants others what they wait for, and returns the
// segments that goOn is to be called with.
func (p *Pool) free(c *loan) (lent []*segment) {
	if len(c.chunks) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.account(c, -c.size*c.count)
	c.put(c.from)
	c.from = nil // a Write that is kept does not keep the Pool
	return p.serve(nil)
}

// goOn goes on with segments that have the memory that they waited for. The caller
// holds no lock.
func goOn(lent []*segment) {
	for _, s := range lent {
		s.of.granted(s)
	}
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
