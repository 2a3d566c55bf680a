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

// openGate puts a gate in the place of the file; it writes with O_DIRECT only if direct.
func (r *race) openGate(direct bool, opts stablewrite.Options) (err error) {
	plain := r.file
	g := &gate{geo: plain.Geometry(), m: r.m, landed: r.cfg.Landed}
	if g.ctx, err = aio.New(); err != nil {
		return err
	}
	if g.File, err = scratch.Reopen(r.cfg.Target, os.O_RDWR, direct); err != nil {
		g.ctx.Close()
		return err
	}
	opts.SegmentBytes = r.cfg.Size // the gate takes one submission at a time
	// The largest piece for a copy, a power of two, holds a write of any size.
	opts.Pool = stablewrite.NewPool(4 * r.cfg.Size)
	opts.RequireDirect = false // the file was checked
	r.gate = g
	if r.file, err = stablewrite.NewDevice(g, opts); err != nil {
		err = errors.Join(err, g.Close())
	}
	return errors.Join(err, plain.Close())
}

// opens reports whether the mutator changes the buffer during a submission of p: during
// the first submission of a write, and if p is memory of the buffer. A change during a
// resubmission from private memory would show nothing new.
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
