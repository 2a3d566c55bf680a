package stablewrite

import (
	"math"
	"math/rand/v2"
	"sync"
)

// rangeLock orders overlapping writes to one file: a resubmission must never
// overwrite a newer write. Spans that overlap are held one at a time, in the
// order in which they came; disjoint ones do not wait.
//
// Spans of exactly the same bytes stand in one line. The first of each line is a node of
// a treap by offset, with the highest end of each subtree. A new span waits for the last
// of its line, and for the last of each overlapping line if that one came later than the
// last of its line. These wait for all other spans that overlap it.
type rangeLock struct {
	mu   sync.Mutex
	root *span
	came uint64 // spans so far
}

// span is a place in line. It is part of the Write, so that locking does not
// allocate.
type span struct {
	off, end int64

	// Of the first of a line.
	highest     int64
	left, right *span
	last        *span  // of the line
	priority    uint32 // random: the height

	before int // spans that must leave first
	came   uint64
	next   *span   // in the line
	behind []*span // spans that wait for this one to leave
	woken  *span   // the next in the list that leave returns
	turn   chan struct{}
	parked *progress // to go on with at its turn; nil: turn is signalled
}

// enter puts s in line for [off, end), and reports whether it is held at once.
func (l *rangeLock) enter(s *span, off, end int64) (held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came++
	s.off, s.end, s.came, s.next, s.before, s.priority = off, end, l.came, nil, 0, rand.Uint32()
	since, first := uint64(0), l.root.find(off, end)
	if first != nil {
		since = first.last.came
		s.wait(first.last)
	}
	l.root.blockers(s, since)
	if first == nil {
		s.last = s
		l.root = l.root.insert(s)
	} else {
		first.last.next, first.last = s, s
	}
	return s.before == 0
}

func (s *span) wait(first *span) {
	first.behind = append(first.behind, s)
	s.before++
}

// lock returns when s holds [off, end).
func (l *rangeLock) lock(s *span, off, end int64) {
	if s.turn == nil {
		s.turn = make(chan struct{}, 1)
	}
	if s.parked = nil; !l.enter(s, off, end) {
		hurry()
		<-s.turn
		patient()
	}
}

// unlock releases s, and wakes or starts spans whose turn it is. The caller holds no lock.
func (l *rangeLock) unlock(s *span) {
	for t := l.leave(s); t != nil; {
		next := t.woken
		t.woken = nil
		if t.parked != nil {
			t.parked.begin().elsewhere()
		} else {
			t.turn <- struct{}{}
		}
		t = next
	}
}

// drain returns when all spans are released that were held when it was called.
func (l *rangeLock) drain() {
	var all span
	l.lock(&all, 0, math.MaxInt64)
	l.unlock(&all)
}

// leave takes s, which is held, out of its line. It returns the spans that are held from
// now on, linked by woken, in the order in which they came.
func (l *rangeLock) leave(s *span) (woken *span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.root = l.root.remove(s)
	if s.next != nil {
		s.next.last = s.last
		l.root = l.root.insert(s.next)
	}
	to := &woken
	for i, t := range s.behind {
		s.behind[i] = nil
		if t.before--; t.before == 0 {
			*to, to = t, &t.woken
		}
	}
	s.behind, s.next, s.last, s.left, s.right = s.behind[:0], nil, nil, nil, nil
	return woken
}

// less is the order of the treap.
func (n *span) less(off, end int64) bool {
	return n.off < off || n.off == off && n.end < end
}

// side returns the subtree that has (off, end), or would have it.
func (n *span) side(off, end int64) **span {
	if n.less(off, end) {
		return &n.right
	}
	return &n.left
}

func (n *span) find(off, end int64) *span {
	for n != nil && (n.off != off || n.end != end) {
		n = *n.side(off, end)
	}
	return n
}

// blockers makes s wait for the last of each line that overlaps it, if it came after
// since.
func (n *span) blockers(s *span, since uint64) {
	if n == nil || n.highest <= s.off {
		return
	}
	n.left.blockers(s, since)
	if n.off < s.end && s.off < n.end && n.last.came > since {
		s.wait(n.last)
	}
	if n.off < s.end {
		n.right.blockers(s, since)
	}
}

func (n *span) top() int64 {
	if n == nil {
		return 0
	}
	return n.highest
}

func (n *span) fix() *span {
	n.highest = max(n.end, n.left.top(), n.right.top())
	return n
}

func (n *span) insert(m *span) *span {
	if n == nil || m.priority > n.priority {
		m.left, m.right = n.split(m.off, m.end)
		return m.fix()
	}
	side := n.side(m.off, m.end)
	*side = (*side).insert(m)
	return n.fix()
}

// split divides the treap into spans less than (off, end) and the rest.
func (n *span) split(off, end int64) (less, rest *span) {
	if n == nil {
		return nil, nil
	}
	if n.less(off, end) {
		n.right, rest = n.right.split(off, end)
		return n.fix(), rest
	}
	less, n.left = n.left.split(off, end)
	return less, n.fix()
}

func (n *span) remove(m *span) *span {
	if n == m {
		return n.left.merge(n.right)
	}
	side := n.side(m.off, m.end)
	*side = (*side).remove(m)
	return n.fix()
}

// merge joins two treaps, all of n less than all of m.
func (n *span) merge(m *span) *span {
	switch {
	case n == nil:
		return m
	case m == nil:
		return n
	case n.priority > m.priority:
		n.right = n.right.merge(m)
		return n.fix()
	}
	m.left = n.merge(m.left)
	return m.fix()
}
