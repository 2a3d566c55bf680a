package main

import (
	"fmt"
	"io"
	"time"
)

// status is a line of progress on a terminal; on anything else it is silent.
type status struct {
	w    io.Writer // nil: silent
	last time.Time
}

func newStatus(stderr io.Writer) *status {
	if f := terminal(stderr); f != nil {
		return &status{w: f}
	}
	return &status{}
}

// show replaces the line, at most ten times a second.
func (s *status) show(format string, args ...any) {
	if s.w == nil || time.Since(s.last) < 100*time.Millisecond {
		return
	}
	s.last = time.Now()
	fmt.Fprintf(s.w, "\r\x1b[K"+format, args...)
}

// clear takes the line away.
func (s *status) clear() {
	if s.w != nil && !s.last.IsZero() {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}
