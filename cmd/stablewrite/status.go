package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// terminal returns w if it is a terminal that can replace lines, or nil.
func terminal(w io.Writer) *os.File {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// status is a text at the end of a terminal, replaced whenever it changes. Another writer
// gets nothing.
type status struct {
	w     io.Writer
	f     *os.File // nil: not a terminal
	mu    sync.Mutex
	lines int // of the text
}

func newStatus(w io.Writer) *status { return &status{w: w, f: terminal(w)} }

// size returns the columns and rows of the terminal.
func (s *status) size() (width, height int) {
	width, height, err := term.GetSize(int(s.f.Fd()))
	if err != nil || width < 1 { // also if there is no terminal
		return 80, 14
	}
	return width, height
}

// show replaces the text.
func (s *status) show(format string, args ...any) {
	if s.f == nil {
		return
	}
	width, _ := s.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.erase()
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		runes := []rune(strings.TrimRight(line, "\n"))
		text += string(runes[:min(len(runes), width-1)]) + "\n" // a longer line would take two rows
		s.lines++
	}
	io.WriteString(s.f, text)
}

// print prints a line that stays, above the text.
func (s *status) print(line string) { s.replace(line + "\n") }

// clear removes the text.
func (s *status) clear() { s.replace("") }

func (s *status) replace(with string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	io.WriteString(s.w, s.erase()+with)
}

// erase returns the control sequence that removes the text.
func (s *status) erase() (text string) {
	if s.lines > 0 {
		text = fmt.Sprintf("\x1b[%dA\r\x1b[J", s.lines)
		s.lines = 0
	}
	return text
}

// bar is the status of a long run: progress and time left.
type bar struct {
	*status
	began time.Time
}

func newBar(w io.Writer) *bar { return &bar{newStatus(w), time.Now()} }

// show shows that done of total steps are done, and names the step under way.
func (b *bar) show(done, total int, step string) {
	total = max(total, done, 1)
	left := "?"
	if done > 0 {
		left = (time.Since(b.began) / time.Duration(done) * time.Duration(total-done)).Round(time.Second).String()
	}
	b.status.show("%3d %% [%-30s] %s left: %s", 100*done/total, strings.Repeat("=", 30*done/total), left, step)
}
