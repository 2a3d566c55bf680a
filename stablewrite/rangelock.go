package stablewrite

import (
	"math"
	"os"
	"sync"
)

// rangeLock orders overlapping writes to one file: a resubmission must never
// overwrite a newer write. Spans that overlap are held one at a time, in the
// order in which they came; disjoint ones do not wait.
//
// Spans of exactly the same bytes stand in one line; the lines are a treap by
// offset, with the highest end of each subtree. A span that comes waits for the
// last of its own line, and for the last of each line that overlaps it and came
// after that one: all others are waited for by these.
type rangeLock struct {
	mu     sync.Mutex
	root   *line
	spare  *line
	came   uint64 // spans so far
	random uint32 // state of xorshift32, for the treap
}

// span is a place in line. It is part of the Write, so that locking does not
// allocate.
type span struct {
	off, end int64
	came     uint64
	in       *line
	next     *span   // in the line
	before   int     // spans that must go first
	behind   []*span // that wait for this one to go
	woken    *span   // the next of those that leave handed over to
	turn     chan struct{}
	parked   *progress // goes on when its turn comes; nil: turn is signalled
}

// line is the spans of one range of bytes, held and waiting.
type line struct {
	off, end, highest int64
	priority          uint32
	left, right       *line
	first, last       *span
}

// enter puts s in line for [off, end), and reports whether it is held at once.
func (l *rangeLock) enter(s *span, off, end int64) (held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came++
	s.off, s.end, s.came, s.next, s.before = off, end, l.came, nil, 0
	since := uint64(0)
	if s.in = l.find(off, end); s.in != nil {
		since = s.in.last.came
		s.wait(s.in.last)
	}
	l.root.blockers(s, since)
	if s.in == nil {
		s.in = l.newLine(off, end)
		l.root = l.root.insert(s.in)
		s.in.first = s
	} else {
		s.in.last.next = s
	}
	s.in.last = s
	return s.before == 0
}

func (s *span) wait(first *span) {
	first.behind = append(first.behind, s)
	s.before++
}

// lock returns when [off, end) is held.
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

// unlock gives back what s holds, and wakes or starts those whose turn it is.
// The caller holds no lock.
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

// drain returns when nothing is held that was held when it was called.
func (l *rangeLock) drain() {
	var all span
	l.lock(&all, 0, math.MaxInt64)
	l.unlock(&all)
}

// leave takes s, which is held, out of its line, and returns those that are held
// from now on, linked by woken, in the order in which they came.
func (l *rangeLock) leave(s *span) (woken *span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.in.first = s.next; s.next == nil {
		l.root = l.root.remove(s.in)
		l.keep(s.in)
	}
	to := &woken
	for i, t := range s.behind {
		s.behind[i] = nil
		if t.before--; t.before == 0 {
			*to, to = t, &t.woken
		}
	}
	s.behind, s.in, s.next = s.behind[:0], nil, nil
	return woken
}

func (l *rangeLock) newLine(off, end int64) *line {
	n := l.spare
	if n == nil {
		n = new(line)
	} else {
		l.spare = n.left
	}
	l.random = max(l.random, 1)
	l.random ^= l.random << 13
	l.random ^= l.random >> 17
	l.random ^= l.random << 5
	*n = line{off: off, end: end, highest: end, priority: l.random}
	return n
}

func (l *rangeLock) keep(n *line) {
	*n = line{left: l.spare}
	l.spare = n
}

// less is the order of the treap.
func (n *line) less(off, end int64) bool {
	return n.off < off || n.off == off && n.end < end
}

func (l *rangeLock) find(off, end int64) *line {
	n := l.root
	for n != nil && (n.off != off || n.end != end) {
		if n.less(off, end) {
			n = n.right
		} else {
			n = n.left
		}
	}
	return n
}

// blockers makes s wait for the last of each other line that overlaps it, if that
// came after since.
func (n *line) blockers(s *span, since uint64) {
	if n == nil || n.highest <= s.off {
		return
	}
	n.left.blockers(s, since)
	if n != s.in && n.off < s.end && s.off < n.end && n.last.came > since {
		s.wait(n.last)
	}
	if n.off < s.end {
		n.right.blockers(s, since)
	}
}

func (n *line) fix() *line {
	n.highest = n.end
	if n.left != nil {
		n.highest = max(n.highest, n.left.highest)
	}
	if n.right != nil {
		n.highest = max(n.highest, n.right.highest)
	}
	return n
}

func (n *line) insert(m *line) *line {
	switch {
	case n == nil:
		return m
	case m.priority > n.priority:
		m.left, m.right = n.split(m.off, m.end)
		return m.fix()
	case n.less(m.off, m.end):
		n.right = n.right.insert(m)
	default:
		n.left = n.left.insert(m)
	}
	return n.fix()
}

// split divides the treap into what is less than (off, end) and the rest.
func (n *line) split(off, end int64) (less, rest *line) {
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

func (n *line) remove(m *line) *line {
	switch {
	case n == m:
		return n.left.merge(n.right)
	case n.less(m.off, m.end):
		n.right = n.right.remove(m)
	default:
		n.left = n.left.remove(m)
	}
	return n.fix()
}

// merge joins two treaps, all of n less than all of m.
func (n *line) merge(m *line) *line {
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

// place puts s in line for [off, end) of f, and reports whether it is held at once.
// On a block device it is for whole units, and pages: there Linux does not order what the page
// cache writes back against direct writes to other sectors of the page, and a
// Buffered File would put old sectors back.
func (f *File) place(s *span, off, end int64) (held bool) {
	off, end = f.wholePages(off, end)
	return f.target.enter(s, off, end)
}

// hold is place, and returns when the range is held.
func (f *File) hold(s *span, off, end int64) {
	off, end = f.wholePages(off, end)
	f.target.lock(s, off, end)
}

func (f *File) wholePages(off, end int64) (int64, int64) {
	if !f.pages {
		return off, end
	}
	unit := max(pageSize, int64(f.geo.OffsetAlign))
	return off &^ (unit - 1), (min(end, math.MaxInt64-unit) + unit - 1) &^ (unit - 1)
}

// pageSize is the unit of the page cache. It is larger on some arm64 kernels.
var pageSize = int64(os.Getpagesize())
