package stablewrite

import "fmt"

// Engine is how submissions reach a file.
type Engine uint8

const (
	// AnyEngine is a ring for what it does well, and blocking calls for the rest.
	AnyEngine Engine = iota
	// ByRing is AnyEngine, but a File for which there can be no ring is not opened.
	ByRing
	// ByCalls is blocking calls only.
	ByCalls
)

var engines = texts[Engine]{AnyEngine: "any", ByRing: "ring", ByCalls: "calls"}

// String returns "any", "ring" or "calls".
func (e Engine) String() string { return engines.name(e) }

// defaultEngine is what AnyEngine means. Tests set it.
var defaultEngine = AnyEngine

// engine is what a File was given, and why.
type engine struct {
	kind   Engine // ByRing or ByCalls
	why    string
	bytes  int // the longest submission by a ring
	pieces int // parts of it
}

// Engine returns how submissions of the File go out, ByRing or ByCalls, and why.
// ByRing means io_uring for writes of which several submissions are in flight: those
// of a Queue or Stream, and segments of one write. A write of one submission that a
// caller waits for, and a write that makes the file longer, always goes out by
// blocking calls, which are faster there. A ring needs a File opened for reading,
// too: the check for RWF_NOWAIT is a read. The process keeps the rings for segments,
// at most GOMAXPROCS; that of a Queue goes with it.
func (f *File) Engine() (Engine, string) { return f.engine.kind, f.engine.why }

// rings reports whether submissions may go by a ring.
func (f *File) rings() bool { return f.engine.kind == ByRing }

// ringTakes reports whether o is one that a ring submits without a thread of the
// kernel's: inside the file, and no larger than the device takes at once.
func (f *File) ringTakes(o *op) bool {
	return f.target.cached.Load() == 0 && !f.isPart(o.off, o.len) && o.len <= f.engine.bytes && len(o.bufs) <= f.engine.pieces && f.inside(o.off+int64(o.len))
}

// chooseEngine asks the Device.
func (f *File) chooseEngine() (engine, error) {
	e := engine{kind: ByCalls, why: "a Device, which is called"}
	if d, ok := f.dev.(interface{ ringEngine() engine }); ok {
		e = d.ringEngine()
	}
	switch {
	case f.opts.Engine == ByCalls && e.kind == ByRing:
		return engine{kind: ByCalls, why: "Options.Engine"}, nil
	case f.opts.Engine == ByRing && e.kind != ByRing:
		return e, fmt.Errorf("no ring for this file: %s", e.why)
	}
	return e, nil
}
