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

// gate is a Device on which every submission is changed under while it is in
// flight: io_submit, change, io_getevents. It is for one submission at a time.
type gate struct {
	f      *os.File
	geo    stablewrite.Geometry
	ctx    *aio.Context
	shared []byte // the buffer that the mutator changes
	m      *mutator.Mutator
	landed func(int) error // Config.Landed, or nil
	made   int             // changes made in flight, in this write
	calls  int             // submissions, in this write
	broken error           // the mutator's or landed's, which is no error of a write
}

// begin is called before each write.
func (g *gate) begin() { g.made, g.calls = 0, 0 }

// opens reports whether the buffer is to be changed under a submission of p:
// under every one of the buffer itself, and under the first one of a write,
// whatever its memory. What a resubmission of private memory would show, the
// first has shown.
func (g *gate) opens(p []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	base := uintptr(unsafe.Pointer(unsafe.SliceData(g.shared)))
	return g.calls == 1 || at >= base && at < base+uintptr(len(g.shared))
}

// newGate opens the target once more, directly if direct, as geo was learned.
func newGate(cfg Config, direct bool, geo stablewrite.Geometry, m *mutator.Mutator) (*gate, error) {
	f, err := scratch.Reopen(cfg.Target, os.O_RDWR, direct)
	if err != nil {
		return nil, err
	}
	g := &gate{f: f, geo: geo, shared: m.Buffer(), m: m, landed: cfg.Landed}
	if g.ctx, err = aio.New(); err != nil {
		f.Close()
		return nil, err
	}
	return g, nil
}

func (g *gate) WriteAt(p []byte, off int64) (int, error) {
	if err := g.m.Rouse(); err != nil {
		g.broken = errors.Join(g.broken, err)
		return 0, err
	}
	if err := g.ctx.Submit(g.f, p, off); err != nil {
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

func (g *gate) ReadAt(p []byte, off int64) (int, error) { return g.f.ReadAt(p, off) }
func (g *gate) Sync() error                             { return g.f.Sync() }
func (g *gate) Geometry() stablewrite.Geometry          { return g.geo }

func (g *gate) Close() error {
	g.ctx.Close()
	return g.f.Close()
}
