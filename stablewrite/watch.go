package stablewrite

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Change is a write whose buffer was seen to change, or proved to have by a
// device that refused it. Extents belongs to the write: copy what is to be kept.
type Change struct {
	Name    string // of the File
	Off     int64  // of the write, in the file
	Len     int
	Extents []Extent // of the buffer; none if the change was restored before it was looked for
	Receipt Receipt
	Err     error // of the write; nil if it was healed
}

// watch tells those who asked that w changed.
func (f *File) watch(w *Write) {
	if len(w.Changed) == 0 && w.Receipt.Refused == 0 || f.opts.OnChanged == nil && f.opts.Logger == nil {
		return
	}
	f.logLimit.warn(f.opts.Logger, f.name, w)
	if f.opts.OnChanged != nil {
		f.opts.OnChanged(Change{Name: f.name, Off: w.Off, Len: len(w.Buf), Extents: w.Changed, Receipt: w.Receipt, Err: w.Err})
	}
}

// logEvery is the least time between two warnings of a File.
const logEvery = time.Second

// logLimit lets through one warning in logEvery and counts the others.
type logLimit struct {
	mu      sync.Mutex
	next    time.Time // of the next warning, at the earliest
	leftOut int
}

func (l *logLimit) warn(to *slog.Logger, name string, w *Write) {
	if to == nil {
		return
	}
	leftOut, ok := l.pass(time.Now())
	if !ok {
		return
	}
	to.LogAttrs(context.Background(), slog.LevelWarn, "buffer changed while it was written",
		slog.String("file", name), slog.Int64("offset", w.Off), slog.Int("length", len(w.Buf)),
		slog.Int("changed_blocks", w.Receipt.ChangedBlocks), slog.Int64("resubmitted_bytes", w.Receipt.Resubmitted),
		slog.Int("refused", w.Receipt.Refused), slog.Any("error", w.Err), slog.Int("left_out", leftOut))
}

// pass reports whether a warning may go out now, and how many did not before.
func (l *logLimit) pass(now time.Time) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.next) {
		l.leftOut++
		return 0, false
	}
	leftOut, l.leftOut, l.next = l.leftOut, 0, now.Add(logEvery)
	return leftOut, true
}
