package stablewrite

import (
	"bytes"
	"cmp"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"

	"stablepages/crcguard"
)

// DefaultPoolBytes is the size of the Pool that Files share unless told otherwise.
const DefaultPoolBytes = 64 << 20

// Pool bounds the private memory of the Files that share it. The zero value is
// a Pool of DefaultPoolBytes. Its address space is reserved when memory is first
// needed; memory is taken 2 MiB at a time, in huge pages where the system has them,
// and all is given back when the Pool is collected. None of it is ever handed to a
// caller.
//
// An eighth of it, 2 MiB at most, is set aside for resubmissions: a write under
// Verify asks for private memory when its buffer changed, and must not wait then
// for writes that have not begun. The rest is reserved by writes that copy,
// before they submit anything: a full Pool delays the start of a write, never its end.
// What waits for a range that another write holds has its memory already; enough such
// writes make others wait, and reads that need private memory. Writes get memory in the
// order in which they asked,
// but one of a File that has its half of the default Pool holds up no other File. A
// File whose Device writes to another File must not share its Pool: they could wait
// for each other.
type Pool struct {
	mu      sync.Mutex
	bytes   int    // at most; 0: DefaultPoolBytes
	region  []byte // of both arenas; nil until it is needed
	copies  arena  // for writes that copy
	share   arena  // for resubmissions
	inUse   int
	peak    int
	waiting []*loan // for copies, in the order in which they came
	again   []*loan // for share
}

// arena is a part of the region, given out by block.
type arena struct {
	mem    []byte
	used   []byte // by block: 1 if somebody has it
	mapped int    // bytes from the start that somebody had
}

// processPool is that of all Files that have no other. No File may hold more than
// half of it.
var processPool Pool

// NewPool returns a Pool of at most bytes bytes; less than 8192 is taken as
// 8192: a block for a copy, a block for a resubmission. More than 64 GiB (1 GiB with
// 32-bit addresses) is taken as that.
func NewPool(bytes int) *Pool {
	const most = 1 << (30 + 6*(bits.UintSize/64))
	return &Pool{bytes: min(max(bytes, 2*crcguard.BlockSize), most)}
}

func (p *Pool) limit() int { return cmp.Or(p.bytes, DefaultPoolBytes) }

// sizes are of the two arenas.
func (p *Pool) sizes() (copies, share int) {
	const block = crcguard.BlockSize
	share = min(max(p.limit()/8, block), hugePage) / block * block
	return (p.limit() - share) / block * block, share
}

// largest is the longest piece that a write that copies is given, and what is set
// aside for resubmissions.
func (p *Pool) largest() (copies, share int) {
	copies, share = p.sizes()
	return 1 << (bits.Len(uint(copies)) - 1), share
}

// divide reserves the region and divides it. Where mapping fails it is of the Go heap.
func (p *Pool) divide() {
	copies, share := p.sizes()
	var mapped bool
	if p.region, mapped = mapMemory(copies + share); mapped {
		runtime.AddCleanup(p, unmapMemory, p.region)
	} else {
		p.region = AlignedBuffer(copies + share)
	}
	p.copies = arena{mem: p.region[:copies], used: make([]byte, copies/crcguard.BlockSize)}
	p.share = arena{mem: p.region[copies:], used: make([]byte, share/crcguard.BlockSize)}
}

// use is what Stats tell of a Pool.
func (p *Pool) use() (peak, mapped, huge int) {
	p.mu.Lock()
	peak, mapped = p.peak, p.copies.mapped+p.share.mapped
	p.mu.Unlock()
	if mapped > 0 {
		huge = hugeBytes(p.region)
	}
	return peak, mapped, huge
}

// loan is a request for private memory, and what was granted.
type loan struct {
	mem   []byte
	from  *arena
	at    int // where in it
	size  int
	least int // for resubmissions: what size may be lowered to
	// held is what the File has of the Pool, if that is bounded. It is guarded by
	// Pool.mu.
	held *int
	turn chan struct{} // signalled when a write is granted it
	seg  *segment      // goes on when a resubmission is
}

// reserve gets size bytes, waiting for them if it must. Whoever holds what it
// reserved must not reserve more: that could deadlock.
func (p *Pool) reserve(c *loan, size int) {
	c.size = roundUp(size, crcguard.BlockSize)
	if c.turn == nil {
		c.turn = make(chan struct{}, 1)
	}
	p.mu.Lock()
	if len(p.waiting) == 0 && p.grant(c) {
		p.mu.Unlock()
		return
	}
	p.waiting = append(p.waiting, c)
	p.serve() // those before may wait for their own File's share only
	p.mu.Unlock()
	hurry()
	<-c.turn
	patient()
}

// grant gives c what it asks for, if that is there and its File has not enough.
func (p *Pool) grant(c *loan) bool {
	if p.over(c) || !p.take(c, &p.copies, c.size) {
		return false
	}
	if c.held != nil {
		*c.held += c.size
	}
	return true
}

// over reports whether the File of c has enough. One that has nothing may have
// anything.
func (p *Pool) over(c *loan) bool {
	return c.held != nil && *c.held > 0 && *c.held+c.size > p.limit()/2
}

// serve grants what writes wait for, in order. Those whose File has enough wait on
// and hold nobody else up.
func (p *Pool) serve() {
	for i := 0; i < len(p.waiting); {
		switch c := p.waiting[i]; {
		case p.over(c):
			i++
		case p.grant(c):
			p.waiting = slices.Delete(p.waiting, i, i+1)
			c.turn <- struct{}{}
		default:
			return
		}
	}
}

// take gives c the first n free bytes of a in a row, if there are any.
func (p *Pool) take(c *loan, a *arena, n int) bool {
	if p.region == nil {
		p.divide()
	}
	count := n / crcguard.BlockSize
	for first := 0; ; {
		free := bytes.IndexByte(a.used[first:], 0)
		if first += free; free < 0 || first+count > len(a.used) {
			return false
		}
		run := a.used[first:][:count]
		if taken := bytes.IndexByte(run, 1); taken >= 0 {
			first += taken
			continue
		}
		for i := range run {
			run[i] = 1
		}
		c.from, c.at = a, first*crcguard.BlockSize
		break
	}
	a.touch(c.at + n)
	c.mem = a.mem[c.at:][:n:n]
	if invariants {
		checkPoison(c.mem)
	}
	p.inUse += n
	p.peak = max(p.peak, p.inUse)
	return true
}

// touch makes the pages before end be there.
func (a *arena) touch(end int) {
	if end <= a.mapped {
		return
	}
	end = min(roundUp(end, hugePage), len(a.mem))
	populate(a.mem[a.mapped:end])
	if invariants {
		poisoned(a.mem[a.mapped:end])
	}
	a.mapped = end
}

// ask gets memory for seg: c.size bytes if they are free, else what the share has,
// at least least. If that has nothing, seg goes on later.
func (p *Pool) ask(c *loan, seg *segment, size, least int) bool {
	c.size, c.least, c.seg = roundUp(size, crcguard.BlockSize), least, seg
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 && p.take(c, &p.copies, c.size) || len(p.again) == 0 && p.lend(c) {
		return true
	}
	p.again = append(p.again, c)
	return false
}

// lend gives c memory of the share, as much as helps.
func (p *Pool) lend(c *loan) bool {
	for n := min(c.size, len(p.share.mem)); n >= c.least; n = n / 2 &^ (crcguard.BlockSize - 1) {
		if p.take(c, &p.share, n) {
			return true
		}
	}
	return false
}

// release gives back what c was granted, if anything, and lets segments go on that
// waited for it. The caller holds no lock.
func (p *Pool) release(c *loan) { goOn(p.free(c)) }

// free gives back what c was granted, grants others what they wait for, and returns the
// segments that goOn is to be called with.
func (p *Pool) free(c *loan) (lent []*segment) {
	if c.mem == nil {
		return nil
	}
	if invariants {
		poisoned(c.mem)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(c.mem)
	if c.held != nil {
		*c.held -= n
	}
	clear(c.from.used[c.at/crcguard.BlockSize:][:n/crcguard.BlockSize])
	c.mem, c.from = nil, nil
	p.inUse -= n
	for len(p.again) > 0 && p.lend(p.again[0]) {
		lent = append(lent, p.again[0].seg)
		p.again = slices.Delete(p.again, 0, 1)
	}
	p.serve()
	return lent
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
