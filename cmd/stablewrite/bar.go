package main

import (
	"io"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bar is a progress bar on a terminal, with the time left; on anything else it is
// silent.
type bar struct {
	on   *mpb.Progress // nil: silent
	line *mpb.Bar
	what atomic.Pointer[string]
}

func newBar(stderr io.Writer) *bar {
	f := terminal(stderr)
	if f == nil {
		return &bar{}
	}
	b := &bar{}
	b.what.Store(new(string))
	b.on = mpb.New(mpb.WithOutput(f), mpb.WithWidth(30))
	// 0: the total is not known yet, so reaching it is not the end.
	b.line = b.on.AddBar(0,
		mpb.PrependDecorators(decor.Percentage(decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.AverageETA(decor.ET_STYLE_GO), decor.Any(func(decor.Statistics) string { return " left: " + *b.what.Load() })))
	return b
}

// show moves the bar to done of total, and names the step under way.
func (b *bar) show(done, of int, what string) {
	if b.on == nil {
		return
	}
	b.what.Store(&what)
	b.line.SetTotal(int64(of), false)
	b.line.SetCurrent(int64(done))
}

// clear takes the bar away.
func (b *bar) clear() {
	if b.on != nil {
		b.line.Abort(true)
		b.on.Wait()
	}
}
