package stablewrite

import (
	"fmt"
	"math/bits"
	"sync"
	"unsafe"

	"stablepages/crcguard"
)

// memoryAlign is the alignment of all memory that this package makes: a page,
// which is as much as Linux asks of any device (STATX_DIOALIGN).
const memoryAlign = 4096

// AlignedBuffer returns n zeroed bytes of ordinary Go memory that any device
// takes without a copy: aligned to 4096, freed by the garbage collector, seen by
// the race detector.
func AlignedBuffer(n int) []byte {
	// Whole pages come aligned from the allocator as it is today.
	if b := make([]byte, n); n >= memoryAlign && aligned(b, memoryAlign) {
		return b[:n:n]
	}
	b := make([]byte, n+memoryAlign-1)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (memoryAlign - 1))
	return b[skip : skip+n : skip+n]
}

func aligned(p []byte, align int) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))%uintptr(align) == 0
}

// Pool bounds the private memory of the Files that share it. The zero value is
// a Pool of DefaultPoolBytes. Its memory is of the Go heap and goes with it;
// none of it is ever handed to a caller. Whoever asks first is served first. A
// File whose Device writes to another File must not share its Pool: they could
// wait for each other.
type Pool struct {
	mu            sync.Mutex
	turn          sync.Cond
	limit         int
	inUse         int
	idle          int                     // bytes in free
	peak          int                     // of inUse
	free          [bits.UintSize][][]byte // by the logarithm of their size
	next, serving uint64                  // tickets
}

// NewPool returns a Pool of at most bytes bytes; less than 4096 is taken as
// 4096. Pieces are powers of two.
func NewPool(bytes int) *Pool {
	return &Pool{limit: max(bytes, crcguard.BlockSize)}
}

// lock also makes a Pool of a zero value.
func (p *Pool) lock() {
	p.mu.Lock()
	if p.turn.L == nil { // before anybody waits: a waiter reads it without the lock
		p.turn.L = &p.mu
	}
	if p.limit == 0 {
		p.limit = DefaultPoolBytes
	}
}

// largest is the longest piece that the Pool can give.
func (p *Pool) largest() int {
	p.lock()
	defer p.mu.Unlock()
	return 1 << (bits.Len(uint(p.limit)) - 1)
}

// Peak is the most memory that was in use at a time, in bytes.
func (p *Pool) Peak() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peak
}

// class is the logarithm of the piece that holds n bytes.
func class(n int) int { return bits.Len(uint(max(n, crcguard.BlockSize) - 1)) }

// get returns n bytes, at most largest, waiting for them if it must. A caller
// that holds one piece must not get another: that could deadlock.
func (p *Pool) get(n int) []byte {
	c := class(n)
	p.lock()
	ticket := p.next
	p.next++
	for p.serving != ticket || p.inUse+1<<c > p.limit {
		p.turn.Wait()
	}
	p.serving++
	p.turn.Broadcast()
	b := p.take(c)
	p.mu.Unlock()
	if b == nil {
		b = AlignedBuffer(1 << c)
	} else if invariants {
		checkPoison(b)
	}
	return b[:n]
}

// poison is what memory of a Pool holds while nobody has it, if invariants.
const poison = 0xdb

func checkPoison(b []byte) {
	for i, v := range b {
		if v != poison {
			panic(fmt.Sprintf("stablewrite: byte %d of memory of the Pool was written after it was given back", i))
		}
	}
}

// take accounts for a piece of class c and returns one if there is one. If not,
// idle pieces make room: what is kept for reuse counts against the limit too.
func (p *Pool) take(c int) []byte {
	p.inUse += 1 << c
	p.peak = max(p.peak, p.inUse)
	if k := len(p.free[c]) - 1; k >= 0 {
		b := p.free[c][k]
		p.free[c] = p.free[c][:k]
		p.idle -= 1 << c
		return b
	}
	for i := range p.free {
		for p.inUse+p.idle > p.limit && len(p.free[i]) > 0 {
			k := len(p.free[i]) - 1
			p.free[i][k] = nil
			p.free[i] = p.free[i][:k]
			p.idle -= 1 << i
		}
	}
	return nil
}

// put gives back what get returned.
func (p *Pool) put(b []byte) {
	b = b[:cap(b)]
	c := class(len(b))
	if invariants {
		for i := range b {
			b[i] = poison
		}
	}
	p.mu.Lock()
	p.free[c] = append(p.free[c], b)
	p.inUse -= len(b)
	p.idle += len(b)
	p.mu.Unlock()
	p.turn.Broadcast()
}
