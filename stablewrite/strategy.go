package stablewrite

// Strategy says how a File treats buffers that change while they are written. The
// zero value is Verify. Its text is its name, for flag.TextVar.
type Strategy uint8

const (
	// Verify sums, submits the buffer itself, sums again, and resubmits changed
	// blocks from private memory: the fix proposed in 2011. If the device does not
	// take the memory of the buffer (Geometry.MemAlign), Verify copies the buffer as
	// Bounce does, and sees no changes; Stats.Unaligned counts such writes.
	Verify Strategy = iota
	// Detect is Verify, but returns ErrChanged instead of resubmitting, as OpenZFS
	// 2.3 does. Like Verify it sees no changes of memory that is not aligned: use
	// AlignedBuffer.
	Detect
	// Bounce always copies, sums the copy and submits the copy.
	Bounce
	// Raw submits the buffer once, as a plain program does, and takes no sum.
	Raw
	// Buffered copies and sums as Bounce does, and writes the copy through the
	// page cache.
	Buffered
)

// Promise lists the promises of a Strategy with a Detection. They hold for a write
// that returned without error, unless another write overlapped it.
type Promise struct {
	// Changed: the media match the receipt even if the buffer changed in flight, up to
	// a collision of the detection digest.
	Changed bool
	// Restored: they match even if the buffer changed in flight and was restored.
	Restored bool
	// Tracked: Restored holds only for writes with Receipt.Tracked set, and only for
	// changes that ByTracking sees.
	Tracked bool
	// Collides: Changed does not hold for pages that end in their own CRC-32C.
	Collides bool
	// Refuses: a change that is seen is an error, and is not healed.
	Refuses bool
	// CrashWindow: a crash between the first submission and the first successful Sync
	// after the last can leave blocks that no receipt describes. The risks of every
	// write in a crash (old bytes, new bytes, some of each) do not count.
	CrashWindow bool
	// AfterSync: the media match only after Sync succeeded.
	AfterSync bool
}

// Holds reports whether the media match the receipt of a write whose buffer was
// changed in flight and, if restored, changed back before the write returned.
// Tracked is the write's Receipt.Tracked.
func (p Promise) Holds(restored, tracked bool) bool {
	if restored {
		return p.Restored && (tracked || !p.Tracked)
	}
	return p.Changed
}

type strategyRow struct {
	about   string
	promise Promise
	steps   strategy
	copies  bool // every write copies
	direct  bool // writes with O_DIRECT
	sums    bool // receipts carry sums
	detects bool // looks for changes
}

var strategyNames = texts[Strategy]{Verify: "verify", Detect: "detect", Bounce: "bounce", Raw: "raw", Buffered: "buffered"}

// strategies is the only description of each Strategy.
var strategies = [...]strategyRow{
	Verify: {
		about:   "sum, submit, sum again, resubmit what changed from private memory (the 2011 proposal)",
		promise: Promise{Changed: true, CrashWindow: true},
		steps:   verify{}, direct: true, sums: true, detects: true,
	},
	Detect: {
		about:   "as verify, but a change is an error (OpenZFS 2.3)",
		promise: Promise{Changed: true, Refuses: true, CrashWindow: true},
		steps:   verify{refuse: true}, direct: true, sums: true, detects: true,
	},
	Bounce: {
		about:   "always copy, sum the copy, submit the copy (semantically Linux 7.0)",
		promise: Promise{Changed: true, Restored: true},
		steps:   bounce{}, copies: true, direct: true, sums: true,
	},
	Raw: {
		about: "one submission, no sum: a plain O_DIRECT program",
		steps: raw{}, direct: true,
	},
	Buffered: {
		about:   "copy and sum, then write the copy through the page cache",
		promise: Promise{Changed: true, Restored: true, AfterSync: true},
		steps:   bounce{}, copies: true, sums: true,
	},
}

// Strategies lists every Strategy, the zero value first.
func Strategies() []Strategy {
	all := make([]Strategy, len(strategies))
	for i := range all {
		all[i] = Strategy(i)
	}
	return all
}

// row returns the description of s, empty if there is no such strategy.
func (s Strategy) row() (row strategyRow) {
	if int(s) < len(strategies) {
		row = strategies[s]
	}
	return row
}

// String returns the name of s: "verify", "bounce", ...
func (s Strategy) String() string { return strategyNames.name(s) }

// About describes s in one line.
func (s Strategy) About() string { return s.row().about }

// Promise returns the promises of s with detection by digest.
func (s Strategy) Promise() Promise { return s.row().promise }

// PromiseBy returns the promises of s with detection by d.
func (s Strategy) PromiseBy(d Detection) Promise {
	p := s.Promise()
	if s.Detects() {
		p.Restored, p.Tracked, p.Collides = d == ByTracking, d == ByTracking, d == BySum
	}
	return p
}

// Sums reports whether receipts of s carry a sum.
func (s Strategy) Sums() bool { return s.row().sums }

// Detects reports whether s looks for changes, so that Options.DetectBy matters.
func (s Strategy) Detects() bool { return s.row().detects }

// Direct reports whether s writes with O_DIRECT.
func (s Strategy) Direct() bool { return s.row().direct }

// MarshalText implements encoding.TextMarshaler.
func (s Strategy) MarshalText() ([]byte, error) { return strategyNames.marshal(s) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Strategy) UnmarshalText(text []byte) error { return strategyNames.unmarshal(s, text) }
