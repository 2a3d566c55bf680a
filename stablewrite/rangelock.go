package stablewrite

import (
	"math"
	"os"
	"sync"
)

// rangeLock orders overlapping writes to one file: a resubmission must never
// overwrite a newer write. Spans that overlap are held one at a time, in the
// order in which they came; disjoint ones do not wait.
type rangeLock struct {
	key   any
	users int        // Files, counted under fileLocks.mu
	sync  stickySync // of the Files that share a Device

	mu          sync.Mutex
	first, last *span // held and waiting, in order of arrival
}

// span is a range of bytes that a write holds or waits for. It is part of the
// Write, so that locking does not allocate.
type span struct {
	off, end   int64
	prev, next *span
	held       bool
	turn       chan struct{}
}

func (s *span) overlaps(t *span) bool { return s.off < t.end && t.off < s.end }

// hold locks [off, end) of f. On a block device, whole pages: there Linux does
// not order what the page cache writes back against direct writes to other
// sectors of the page, and a Buffered File would put old sectors back.
func (f *File) hold(s *span, off, end int64) {
	if f.pages {
		off, end = off&^(pageSize-1), (min(end, math.MaxInt64-pageSize)+pageSize-1)&^(pageSize-1)
	}
	f.lock.lock(s, off, end)
}

// pageSize is the unit of the page cache. It is larger on some arm64 kernels.
var pageSize = int64(os.Getpagesize())

// lock returns when [off, end) is held.
func (l *rangeLock) lock(s *span, off, end int64) {
	s.off, s.end = off, end
	l.mu.Lock()
	s.prev, s.next = l.last, nil
	if l.last == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
	s.held = l.free(s)
	if s.held {
		l.mu.Unlock()
		return
	}
	if s.turn == nil {
		s.turn = make(chan struct{}, 1)
	}
	l.mu.Unlock()
	<-s.turn
}

// free reports whether nobody who came before s is in its way.
func (l *rangeLock) free(s *span) bool {
	for t := s.prev; t != nil; t = t.prev {
		if t.overlaps(s) {
			return false
		}
	}
	return true
}

// unlock releases s and hands over to those that waited for it alone.
func (l *rangeLock) unlock(s *span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.prev == nil {
		l.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	for t := s.next; t != nil; t = t.next {
		if !t.held && t.overlaps(s) && l.free(t) {
			t.held = true
			t.turn <- struct{}{}
		}
	}
	s.prev, s.next = nil, nil
}

// fileLocks finds the rangeLock of a file, one for all Files of the process.
var fileLocks struct {
	mu    sync.Mutex
	byKey map[any]*rangeLock
}

// lockOf returns the rangeLock for key; release it as often.
func lockOf(key any) *rangeLock {
	fileLocks.mu.Lock()
	defer fileLocks.mu.Unlock()
	l := fileLocks.byKey[key]
	if l == nil {
		if fileLocks.byKey == nil {
			fileLocks.byKey = make(map[any]*rangeLock)
		}
		l = &rangeLock{key: key}
		fileLocks.byKey[key] = l
	}
	l.users++
	return l
}

// release reports whether that was the last user.
func (l *rangeLock) release() (last bool) {
	fileLocks.mu.Lock()
	defer fileLocks.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(fileLocks.byKey, l.key)
	}
	return l.users == 0
}
