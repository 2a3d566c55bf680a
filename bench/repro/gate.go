package repro

import (
	"errors"
	"os"
	"unsafe"

	"stablepages/bench/aio"
	"stablepages/bench/mutator"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

// gate is a Device that has the mutator change the buffer while a submission is in
// flight: io_submit, change, io_getevents. It is for one submission at a time.
type gate struct {
	*os.File
	geo    stablewrite.Geometry
	ctx    *aio.Context
	m      *mutator.Mutator
	landed func(int) error // Config.Landed, or nil
	made   int             // changes made in flight, in this write
	calls  int             // submissions, in this write
	broken error           // of the mutator or of landed, not of a write
}

// newGate opens the target once more; with O_DIRECT if direct. geo is the geometry of
// the target.
func newGate(cfg Config, direct bool, geo stablewrite.Geometry, m *mutator.Mutator) (*gate, error) {
	f, err := scratch.Reopen(cfg.Target, os.O_RDWR, direct)
	if err != nil {
		return nil, err
	}
	ctx, err := aio.New()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &gate{File: f, geo: geo, ctx: ctx, m: m, landed: cfg.Landed}, nil
}

// begin is called before each write.
func (g *gate) begin() { g.made, g.calls = 0, 0 }

// opens reports whether the mutator changes the buffer during a submission of p: it
// does if p is memory of the buffer, and during the first submission of a write. A
// change during a resubmission of private memory would show nothing new.
func (g *gate) opens(p []byte) bool {
	at, buf := uintptr(unsafe.Pointer(unsafe.SliceData(p))), g.m.Buffer()
	base := uintptr(unsafe.Pointer(unsafe.SliceData(buf)))
	return g.calls == 1 || at >= base && at < base+uintptr(len(buf))
}

func (g *gate) WriteAt(p []byte, off int64) (int, error) {
	if err := g.m.Rouse(); err != nil {
		g.broken = errors.Join(g.broken, err)
		return 0, err
	}
	if err := g.ctx.Submit(g.File, p, off); err != nil {
		return 0, err
	}
	if g.calls++; g.opens(p) {
		changed, err := g.m.Change()
		if changed {
			g.made++
		}
		g.broken = errors.Join(g.broken, err)
	}
	n, err := g.ctx.Reap()
	g.broken = errors.Join(g.broken, g.m.Restored())
	if g.landed != nil {
		g.broken = errors.Join(g.broken, g.landed(g.calls))
	}
	return n, errors.Join(err, g.broken)
}

func (g *gate) Geometry() stablewrite.Geometry { return g.geo }

func (g *gate) Close() error {
	g.ctx.Close()
	return g.File.Close()
}
