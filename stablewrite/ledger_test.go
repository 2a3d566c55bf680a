package stablewrite

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"stablepages/crcguard"
)

// mostBlocks is the length of the longest write that a note can describe. A note is then
// shorter than PIPE_BUF, so that it goes through a pipe whole or not at all.
const mostBlocks = 32

// A note reports that a write of whole blocks is about to begin, or that it returned. Its
// size is fixed, for encoding/binary.
type note struct {
	Process, File uint8
	Strategy      Strategy
	Returned      bool
	ID            uint32 // of the write, within its process
	Block         int64  // the first
	Blocks        int32
	Good, Spoiled int32 // of a write that returned: blocks that are as Sums say, then blocks of which nothing is known
	Sums          [mostBlocks]uint32
}

// A ledger compares the media with the receipts of many writes at once. The bytes of a
// block on the media must be those of one of its claims: a write that was acknowledged,
// and after which no other acknowledged write to this block began.
// And all blocks together must agree on one order of the writes.
type ledger struct {
	mu           sync.Mutex
	clock        int
	open         map[[2]uint32]*entry // by process and ID
	claims       map[[2]int64][]claim // by file and block
	acknowledged map[Strategy]int
}

// entry is a write, and when it began and returned.
type entry struct {
	note
	began, ended int
}

// claim is the sum that a write gives one block, if known.
type claim struct {
	*entry
	known bool
	sum   uint32
}

func newLedger() *ledger {
	return &ledger{open: map[[2]uint32]*entry{}, claims: map[[2]int64][]claim{}, acknowledged: map[Strategy]int{}}
}

// found enters the bytes of a file before any write.
func (l *ledger) found(file uint8, media []byte) {
	before := &entry{note: note{File: file, ID: ^uint32(0)}}
	for b := range int64(len(media) / kib4) {
		at := [2]int64{int64(file), b}
		l.claims[at] = []claim{{before, true, crcguard.Checksum(block(media, int(b)))}}
	}
}

// take enters a note. The notes of one process come in the order in which things
// happened: a write that is noted after another returned began after it.
func (l *ledger) take(n note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	id := [2]uint32{uint32(n.Process), n.ID}
	if !n.Returned {
		l.open[id] = &entry{note: n, began: l.clock}
		return
	}
	e := l.open[id]
	delete(l.open, id)
	e.note, e.ended = n, l.clock
	if n.Spoiled == 0 {
		l.acknowledged[n.Strategy]++
	}
	for i := range n.Good + n.Spoiled {
		l.claim([2]int64{int64(n.File), n.Block + int64(i)}, claim{e, i < n.Good, n.Sums[i]})
	}
}

// claim adds c, and drops the claims of writes that had returned when that of c
// began.
func (l *ledger) claim(at [2]int64, c claim) {
	var still []claim
	for _, other := range l.claims[at] {
		if other.ended >= c.began {
			still = append(still, other)
		}
	}
	l.claims[at] = append(still, c)
}

// killed ends the writes that a process had begun when it was killed: nothing is
// known of their blocks.
func (l *ledger) killed(process uint8) {
	for _, e := range l.open {
		if e.Process == process {
			n := e.note
			n.Returned, n.Spoiled = true, n.Blocks
			l.take(n)
		}
	}
}

// total returns the number of acknowledged writes.
func (l *ledger) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.acknowledged {
		n += k
	}
	return n
}

// check compares the media of a file with the claims, while nobody writes.
func (l *ledger) check(file uint8, media []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	order := order{}
	for b := range int64(len(media) / kib4) {
		sum, claims := crcguard.Checksum(block(media, int(b))), l.claims[[2]int64{int64(file), b}]
		var winners []*entry
		unknown := false
		for _, c := range claims {
			unknown = unknown || !c.known
			if c.known && c.sum == sum {
				winners = append(winners, c.entry)
			}
		}
		switch {
		case unknown:
		case len(winners) == 0:
			return fmt.Errorf("file %d: block %d has the sum %#x, and no receipt says so: %s", file, b, sum, said(claims))
		case len(winners) == 1: // if two writes had the same bytes, the last is unknown
			for _, c := range claims {
				order.add(c.entry, winners[0])
			}
		}
	}
	if a, b := order.contradiction(); a != nil {
		return fmt.Errorf("file %d: two writes overwrote each other, so no order explains the media: %v and %v", file, a, b)
	}
	return nil
}

func said(claims []claim) string {
	var s []string
	for _, c := range claims {
		s = append(s, fmt.Sprintf("%v: %#x", c.entry, c.sum))
	}
	return strings.Join(s, "; ")
}

func (e *entry) String() string {
	return fmt.Sprintf("%v %d of process %d, blocks %d+%d (%d..%d)", e.Strategy, e.ID, e.Process, e.Block, e.Blocks, e.began, e.ended)
}

// order lists which write was overwritten by which.
type order map[*entry]map[*entry]bool

func (o order) add(earlier, later *entry) {
	for _, e := range []*entry{earlier, later} {
		if o[e] == nil {
			o[e] = map[*entry]bool{}
		}
	}
	if earlier != later {
		o[earlier][later] = true
	}
}

// contradiction finds two writes of which each must have come before the other.
func (o order) contradiction() (a, b *entry) {
	for x := range o { // what returned came before what began then
		for y := range o {
			if x.ended < y.began {
				o[x][y] = true
			}
		}
	}
	const under, done = 1, 2
	state := map[*entry]int{}
	var visit func(x *entry)
	visit = func(x *entry) {
		state[x] = under
		for y := range o[x] {
			switch state[y] {
			case under:
				a, b = x, y
			case 0:
				visit(y)
			}
		}
		state[x] = done
	}
	for x := range o {
		if state[x] == 0 {
			visit(x)
		}
	}
	return a, b
}

// Histories that the ledger must accept, and others that it must not.
func TestLedger(t *testing.T) {
	content := func(v byte) []byte { return fillBlock(make([]byte, kib4), v) }
	begin := func(id uint32) note { return note{ID: id, Blocks: 2} }
	end := func(id uint32, v byte) note {
		sum := crcguard.Checksum(content(v))
		return note{ID: id, Blocks: 2, Good: 2, Returned: true, Sums: [mostBlocks]uint32{sum, sum}}
	}
	spoiled := end(1, 1)
	spoiled.Good, spoiled.Spoiled = 1, 1
	for _, tc := range []struct {
		name    string
		history []note
		media   string // content of the blocks
		holds   bool
	}{
		{"nothing was written", nil, "\x00\x00", true},
		{"nothing was said", nil, "\x00\x01", false},
		{"the second of two", []note{begin(1), end(1, 1), begin(2), end(2, 2)}, "\x02\x02", true},
		{"the first of two", []note{begin(1), end(1, 1), begin(2), end(2, 2)}, "\x02\x01", false},
		{"either of two at once", []note{begin(1), begin(2), end(2, 2), end(1, 1)}, "\x02\x02", true},
		{"a mixture of two at once", []note{begin(1), begin(2), end(2, 2), end(1, 1)}, "\x02\x01", false},
		{"what was there before two at once", []note{begin(1), begin(2), end(2, 2), end(1, 1)}, "\x00\x00", false},
		{"spoiled", []note{begin(1), spoiled}, "\x01\x09", true},
		{"good, they say", []note{begin(1), spoiled}, "\x09\x01", false},
		{"spoiled and written again", []note{begin(1), spoiled, begin(2), end(2, 2)}, "\x02\x09", false},
		{"killed", []note{begin(1)}, "\x09\x00", true},
	} {
		l := newLedger()
		l.found(0, make([]byte, 2*kib4))
		for _, n := range tc.history {
			l.take(n)
		}
		l.killed(0)
		err := l.check(0, append(content(tc.media[0]), content(tc.media[1])...))
		if (err == nil) != tc.holds {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// block is the i-th of p.
func block(p []byte, i int) []byte { return p[i*kib4 : (i+1)*kib4] }

func fillBlock(p []byte, v byte) []byte {
	for i := range p {
		p[i] = v
	}
	return p
}
