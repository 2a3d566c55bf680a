package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// live is a text of several lines at the end of a terminal, which is replaced as
// it changes; on anything else only what stays is printed.
type live struct {
	mu    sync.Mutex
	w     io.Writer
	f     *os.File // nil: not a terminal
	lines int      // shown
}

func newLive(w io.Writer) *live { return &live{w: w, f: terminal(w)} }

// rows is how many rows of a table fit.
func (l *live) rows() int {
	if l.f == nil {
		return 0
	}
	_, height, err := term.GetSize(int(l.f.Fd()))
	if err != nil {
		return 10
	}
	return max(height-4, 1)
}

// show replaces the text.
func (l *live) show(text string) {
	if l.f == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	width, _, err := term.GetSize(int(l.f.Fd()))
	if err != nil || width < 1 {
		width = 80
	}
	var b strings.Builder
	l.erase(&b)
	for line := range strings.Lines(text) {
		runes := []rune(strings.TrimRight(line, "\n"))
		fmt.Fprintln(&b, string(runes[:min(len(runes), width-1)])) // a longer one would take two
		l.lines++
	}
	io.WriteString(l.f, b.String())
}

// print prints a line that stays, above the text.
func (l *live) print(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	l.erase(&b)
	fmt.Fprintln(&b, line)
	io.WriteString(l.w, b.String())
}

// clear takes the text away.
func (l *live) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	l.erase(&b)
	io.WriteString(l.w, b.String())
}

func (l *live) erase(b *strings.Builder) {
	if l.lines > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r\x1b[J", l.lines)
		l.lines = 0
	}
}
