package stablewrite

import (
	"errors"
	"fmt"
)

// Engine is how submissions reach a file: by a ring of io_uring, or by blocking system
// calls.
type Engine uint8

const (
	// AnyEngine uses io_uring for submissions that are faster by it, and blocking system
	// calls for the rest.
	AnyEngine Engine = iota
	// ByRing is AnyEngine, but opening fails (errors.ErrUnsupported) if the File cannot
	// use io_uring.
	ByRing
	// ByCalls uses blocking system calls only, pwrite(2) and pwritev(2), never io_uring.
	ByCalls
)

var engines = texts[Engine]{AnyEngine: "any", ByRing: "ring", ByCalls: "calls"}

// String returns "any", "ring" or "calls".
func (e Engine) String() string { return engines.name(e) }

// defaultEngine replaces AnyEngine. Tests set it.
var defaultEngine = AnyEngine

// engine is the engine of a File, and the reason for it.
type engine struct {
	kind   Engine // ByRing or ByCalls
	why    string
	bytes  int // the longest submission by a ring
	pieces int // parts of it
}

// Engine returns how submissions of the File go out, ByRing or ByCalls, and why.
// ByRing means that writes with several submissions in flight use io_uring: those of a
// Queue or Stream, and segments of one write. Blocking calls are faster for a write of
// one submission that a caller waits for, and for a write that makes the file longer;
// such writes always use them. A ring needs a File that is also opened for reading: the
// check for RWF_NOWAIT is a read. The process keeps the rings for segments, at most
// GOMAXPROCS; the ring of a Queue is closed with the Queue.
func (f *File) Engine() (Engine, string) { return f.engine.kind, f.engine.why }

// rings reports whether submissions may go by a ring.
func (f *File) rings() bool { return f.engine.kind == ByRing }

// ringTakes reports whether a ring submits o without a thread of the kernel: o lies
// inside the file, and the device takes it at once.
func (f *File) ringTakes(o *op) bool {
	return f.target.cached.Load() == 0 && !f.isPart(o.off, o.len) &&
		o.len <= f.engine.bytes && len(o.bufs) <= f.engine.pieces && f.inside(o.off+int64(o.len))
}

// chooseEngine returns the engine that Device and Options allow.
func (f *File) chooseEngine() (engine, error) {
	e := engine{kind: ByCalls, why: "a Device has only blocking calls"}
	if d, ok := f.dev.(interface{ ringEngine() engine }); ok {
		e = d.ringEngine()
	}
	switch {
	case f.opts.Engine == ByCalls && e.kind == ByRing:
		return engine{kind: ByCalls, why: "Options.Engine"}, nil
	case f.opts.Engine == ByRing && e.kind != ByRing:
		return e, fmt.Errorf("%w: no ring for this file: %s; choose AnyEngine", errors.ErrUnsupported, e.why)
	}
	return e, nil
}
