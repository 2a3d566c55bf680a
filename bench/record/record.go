package record

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"stablepages/bench/mutator"
	"stablepages/stablewrite"
)

// Version is the version of the Records that this program writes. It grows when a field
// changes its meaning or is replaced. Results.Add takes Records from version Oldest on,
// and brings them to Version.
//
// Version 2 replaced Direct by Written. Direct did not distinguish the writes that a
// kernel bounced from those that it wrote directly.
const (
	Version = 2
	Oldest  = 1
)

// Kinds of Record.
const (
	KindRepro     = "repro"
	KindCost      = "cost"
	KindPrecision = "precision"
	KindProve     = "prove"
	KindProbe     = "probe"
	KindGuard     = "guard"
	KindWatch     = "watch"
)

// Repro is the result of one race.
type Repro struct {
	Kind        string                 `json:"kind"` // KindRepro
	Strategy    stablewrite.Strategy   `json:"strategy"`
	Buffered    bool                   `json:"buffered,omitempty"` // the negative control: through the page cache, on purpose
	Mutator     mutator.Kind           `json:"mutator"`
	Gate        bool                   `json:"gate"`
	Detect      stablewrite.Detection  `json:"detect"` // how the strategy detected changes
	In          mutator.Where          `json:"in"`     // where the mutator ran
	Size        int                    `json:"size"`   // bytes of each write
	Writes      int                    `json:"writes"`
	Overlapped  int                    `json:"overlapped"`        // writes during which the buffer was changed; gated: in flight
	Changed     int                    `json:"changed"`           // writes whose writer saw a change
	Tracked     int                    `json:"tracked,omitempty"` // writes whose whole buffer the kernel tracked
	Resubmitted int                    `json:"resubmitted"`       // writes that were submitted again
	Torn        int                    `json:"torn"`              // writes whose media differ from the receipt, or cannot be read
	ReadErrors  int                    `json:"read_errors"`       // of Torn: could not be read
	WriteErrors int                    `json:"write_errors"`      // writes that returned an error
	Refused     int                    `json:"refused"`           // of WriteErrors: the strategy refused a changed write
	Interrupted bool                   `json:"interrupted,omitempty"`
	Seconds     float64                `json:"seconds"`
	HoldNS      int64                  `json:"hold_ns"`
	Seed        uint64                 `json:"seed"`
	Written     stablewrite.Directness `json:"written"` // how the kernel writes the file
	System      *System                `json:"system"`
	Version     int                    `json:"version"`

	Direct stablewrite.Directness `json:"direct,omitempty"` // version 1; Written replaced it
}

func (r *Repro) upgrade() { upgrade(&r.Version, &r.Written, &r.Direct) }

// upgrade brings the fields that version 2 changed to Version.
func upgrade(version *int, written, direct *stablewrite.Directness) {
	if *written == stablewrite.DirectUnknown {
		*written = *direct
	}
	*version, *direct = Version, stablewrite.DirectUnknown
}

// Writer names the writer: the strategy, and how it differs from the default one.
func (r Repro) Writer() string {
	switch {
	case r.Buffered:
		return r.Strategy.String() + ", page cache"
	case r.Detect != stablewrite.ByDigest:
		return r.Strategy.String() + " by " + r.Detect.String()
	}
	return r.Strategy.String()
}

// Prove is the result of one scenario on a victim inside a stock kernel. Its Kind is
// KindProve.
//
// In a Race the fields of Repro have their usual meaning. In other scenarios they count:
//   - SameBase: Writes reads whose iovecs share a base; ReadErrors of them failed.
//   - Crash, Replay: Writes writes in which the power failed, or commits at which it could
//     have failed; Torn of them left blocks that could not be read, or legs that differ.
//   - Faults: Writes writes, some of which fail below; Torn places on the media that differ
//     from what the writer was told.
//   - Probing: Writes writes; the change in flight of Torn of them reached the media.
//   - Unmodified: Writes blocks of 4 KiB that the program wrote; ReadErrors of them could
//     not be read, Diverged of them differed between legs.
type Prove struct {
	Repro
	Scenario Scenario `json:"scenario"` // what was tried
	Kernel   string   `json:"kernel"`   // release
	Origin   string   `json:"origin"`   // Debian's version and suite; "" if the user unpacked the kernel
	Victim   string   `json:"victim"`
	Needs    bool     `json:"needs_stable_pages"` // false: the victim is a control
	Accel    string   `json:"accel"`              // of the processor: "tcg" (emulated) or "kvm"
	// WrittenBy says how Written was measured: ByGate, ByPages or ByBoth. It is "" if
	// Written is assumed from the kernel's version and the file system.
	WrittenBy string `json:"written_by"`
	// Diverged counts, of Torn, the writes after which the legs of a mirror differed.
	Diverged int `json:"diverged"`
	// Mismatches is the victim's count: for btrfs and dm-integrity, blocks whose checksum
	// failed; for md, the mismatch_cnt of a check after the first write that left the legs
	// different, or else after the last write. Null for victims without a count.
	Mismatches *int `json:"mismatches"`
	// FirstFailure is the time from the start to the first write that the victim refused,
	// could not read back, or diverged after, in seconds. On a control, and where the kernel
	// copies, it is the time to the first torn write. Null if there was no such write.
	FirstFailure *float64 `json:"first_failure_seconds"`
	Evidence     []string `json:"evidence"` // lines of the kernel's log; of a probe its advice
	// Answer is the verdict of the command probe: "open", "closed" or "not shown". It is
	// "" in Records of other scenarios.
	Answer string `json:"answer,omitempty"`

	Program string   `json:"program,omitempty"` // the unmodified program; "" in Records of other scenarios
	Guarded bool     `json:"guarded,omitempty"` // the program ran under the command run
	Failure string   `json:"failure,omitempty"` // the message of the program if it failed
	Watched *Watched `json:"watched,omitempty"` // null if watch did not run beside the program
}

// Watched sums up the Watches of the direct writes of a program.
type Watched struct {
	Comm     string `json:"comm"`     // of the process with most changed writes; "" if none changed
	Writes   int64  `json:"writes"`   // as in Watch
	Changed  int64  `json:"changed"`  // as in Watch
	Untraced int64  `json:"untraced"` // as in Watch
}

// Scenario is a test of a victim.
type Scenario string

const (
	Race     Scenario = "race" // mutator against writer
	SameBase Scenario = "read" // reads whose two iovecs have one base: the first fault in the mail of 2011
	// Unmodified: unmodified programs, each plain and under the command run, beside watch.
	Unmodified Scenario = "program"

	Crash  Scenario = "crash"  // writers end after their first submission, another program syncs, then the power fails
	Replay Scenario = "replay" // a crash at each commit, from a log of all writes to the disk
	Faults Scenario = "faults" // writes fail below
	// Probing cannot be chosen: every machine that races is probed, too.
	Probing Scenario = "probe"
)

// A Record of version 1 with a Direct of "no" was measured by the gate.
func (r *Prove) upgrade() {
	if r.Direct == stablewrite.DirectNo && r.WrittenBy == "" {
		r.WrittenBy = ByGate
	}
	r.Repro.upgrade()
}

// Values of Prove.WrittenBy.
const (
	// ByGate: from whether changes in flight reached the media, and from the number of
	// dirty pages in the page cache.
	ByGate = "gate"
	// ByPages: from the owner of the pages that the device was given.
	ByPages = "pages"
	ByBoth  = "gate and pages" // both, with the same result
)

// Cost is the timing of one cell: one writer, size, depth and share of changed writes, in
// one round.
type Cost struct {
	Kind          string               `json:"kind"` // KindCost
	Strategy      stablewrite.Strategy `json:"strategy"`
	Variant       Variant              `json:"variant,omitempty"` // how the writer differs from a File of that strategy
	Target        Target               `json:"target"`
	Cold          bool                 `json:"cold"`              // the buffers were twice as large as the last-level cache
	Backing       string               `json:"backing"`           // pages of the writers' memory: "4k", "huge", "mixed"; "" if not known
	Private       string               `json:"private,omitempty"` // pages of private memory; "" if none was used, or not known
	Engine        string               `json:"engine,omitempty"`  // of submissions: "ring" or "calls"; "" if Target is simulated
	Size          int                  `json:"size"`
	Depth         int                  `json:"depth"`
	Mutated       float64              `json:"mutated"`             // share of writes changed in flight, 0 to 1
	TwoSteps      bool                 `json:"two_steps,omitempty"` // submitted and reaped apart, as changed writes are, though nothing changes
	Round         int                  `json:"round"`
	Writes        int64                `json:"writes"`
	Changed       int64                `json:"changed"`                  // of Writes: the writer saw a change
	Overlapped    int64                `json:"overlapped,omitempty"`     // of Writes: the harness changed the buffer in flight
	ChangedBlocks int                  `json:"changed_blocks,omitempty"` // changed blocks of 4 KiB in each changed write; 0: all
	Bytes         int64                `json:"bytes"`
	Seconds       float64              `json:"seconds"` // with the Sync at the end

	P50NS            int64   `json:"p50_ns"` // of a write, from its call to its return
	P99NS            int64   `json:"p99_ns"`
	P999NS           int64   `json:"p999_ns"`
	CPUUserSeconds   float64 `json:"cpu_user_seconds"`
	CPUSystemSeconds float64 `json:"cpu_system_seconds"`
	Amplification    float64 `json:"amplification"` // bytes submitted per byte written
	PoolPeak         int     `json:"pool_peak"`     // bytes of private memory in use at a time, at most
	Extents          *int    `json:"extents"`       // of the file after the cell; null if the file system does not tell

	// Checked counts the writes, the last ones, that were read back after the cell; Torn
	// counts those of them whose media differ from their receipt.
	Checked int64 `json:"checked,omitempty"`
	Torn    int64 `json:"torn,omitempty"`

	// Of target OnDelay.
	DelayLatencyNS      int64   `json:"delay_latency_ns,omitempty"`
	DelayBytesPerSecond float64 `json:"delay_bytes_per_second,omitempty"`

	Written stablewrite.Directness `json:"written"` // as in Repro
	System  *System                `json:"system"`
	Version int                    `json:"version"`

	Direct stablewrite.Directness `json:"direct,omitempty"` // version 1; Written replaced it
}

func (c *Cost) upgrade() {
	upgrade(&c.Version, &c.Written, &c.Direct)
	if c.Target == "" { // older than the other targets
		c.Target = OnFile
	}
}

// Target is the kind of target that a cell writes to.
type Target string

const (
	OnFile   Target = "file"
	OnDevice Target = "device" // a block device
	OnNull   Target = "null"   // completes every write at once: only the software costs anything
	OnDelay  Target = "delay"  // a fixed latency and bandwidth, whatever the disk
)

// Simulated reports whether writes to t reach no disk.
func (t Target) Simulated() bool { return t == OnNull || t == OnDelay }

// Variant says how a writer differs from a File of its strategy as a user has it.
type Variant string

const (
	Again     Variant = "again"     // the same a second time: the difference is noise
	Huge      Variant = "huge"      // raw, from huge pages
	Calls     Variant = "calls"     // by blocking calls (Options.Engine) where a File would use a ring
	Copied    Variant = "copied"    // raw, from a buffer that the data is copied to before each write
	Summed    Variant = "summed"    // raw, with a CRC-32C before each write
	Tracked   Variant = "tracked"   // verify by tracking
	Dontcache Variant = "dontcache" // raw, through the page cache with RWF_DONTCACHE (Linux 6.14)
	Unsummed  Variant = "unsummed"  // buffered without the private copy and its sum, as plain programs write

	// Peers, which are other programs. Their strategy is raw.
	FioPsync    Variant = "fio psync"
	FioPsyncSum Variant = "fio psync, crc32c"
	FioUring    Variant = "fio io_uring, fixed" // registered buffers and files
	DD          Variant = "dd"
)

// Peer reports whether v is another program.
func (v Variant) Peer() bool { return v == DD || strings.HasPrefix(string(v), "fio ") }

// CostKey identifies the timings of a cell in all rounds. Its fields are those of Cost.
type CostKey struct {
	Strategy            stablewrite.Strategy
	Variant             Variant
	Target              Target
	Cold                bool
	Size, Depth         int
	Mutated             float64
	TwoSteps            bool
	ChangedBlocks       int
	DelayLatencyNS      int64
	DelayBytesPerSecond float64
}

// Key returns the cell that c is a timing of.
func (c Cost) Key() CostKey {
	return CostKey{
		c.Strategy, c.Variant, c.Target, c.Cold, c.Size, c.Depth, c.Mutated, c.TwoSteps,
		c.ChangedBlocks, c.DelayLatencyNS, c.DelayBytesPerSecond,
	}
}

// Base is the key of the plain raw writes that k is compared with. As many of them
// change, so both timings contain the cost of making the changes in flight.
func (k CostKey) Base() CostKey {
	k.Strategy, k.Variant = stablewrite.Raw, ""
	return k
}

// Again is the key of the second timing of Base.
func (k CostKey) Again() CostKey {
	k.Strategy, k.Variant = stablewrite.Raw, Again
	return k
}

// Writer names the writer: a strategy, a strategy and its Variant, or another program.
func (k CostKey) Writer() string {
	switch {
	case k.Variant == "":
		return k.Strategy.String()
	case k.Variant.Peer():
		return string(k.Variant)
	}
	return k.Strategy.String() + ", " + string(k.Variant)
}

// Steps is the number of steps of a write: 2 if it is submitted and reaped apart.
func (k CostKey) Steps() int {
	if k.TwoSteps || k.Mutated > 0 && !k.Target.Simulated() {
		return 2
	}
	return 1
}

// Memory says whether the buffers stay in the caches: "hot", or "cold".
func (k CostKey) Memory() string {
	if k.Cold {
		return "cold"
	}
	return "hot"
}

// On names the target.
func (k CostKey) On() string {
	switch k.Target {
	case OnFile:
		return "a file"
	case OnDevice:
		return "the block device"
	case OnNull:
		return "null, which takes every write at once"
	case OnDelay:
		return fmt.Sprintf("delay (%v, %.0f MB/s)", time.Duration(k.DelayLatencyNS), k.DelayBytesPerSecond/1e6)
	}
	return string(k.Target)
}

// Writer is CostKey.Writer of c.
func (c Cost) Writer() string { return c.Key().Writer() }

// Precision compares two sets of blocks of the writes that changed in flight: blocks
// that the first submission left torn on the media, and blocks that the strategy
// resubmitted. Both by Resubmitted is the precision, Both by Torn the recall.
type Precision struct {
	Kind        string                `json:"kind"` // KindPrecision
	Strategy    stablewrite.Strategy  `json:"strategy"`
	Detect      stablewrite.Detection `json:"detect"`
	Mutator     mutator.Kind          `json:"mutator"`
	HoldNS      int64                 `json:"hold_ns"`
	Seed        uint64                `json:"seed"`
	Size        int                   `json:"size"`
	Writes      int                   `json:"writes"`      // that changed in flight
	Blocks      int                   `json:"blocks"`      // of these writes, 4 KiB each
	Torn        int                   `json:"torn"`        // blocks whose media differed from the armed sum, before any resubmission
	Resubmitted int                   `json:"resubmitted"` // blocks
	Both        int                   `json:"both"`        // blocks that were torn and resubmitted
	System      *System               `json:"system"`
	Version     int                   `json:"version"`
}

// Probe is the result of the command probe on a path.
type Probe struct {
	Kind        string                 `json:"kind"` // KindProbe
	Path        string                 `json:"path"`
	MemAlign    int                    `json:"mem_align"`
	OffsetAlign int                    `json:"offset_align"`
	AlignSource string                 `json:"align_source"`
	Written     stablewrite.Directness `json:"written"` // known or assumed, not measured
	WrittenWhy  string                 `json:"written_why"`
	Measured    string                 `json:"measured"`   // the target of the measurement; "" if there was none
	Unmeasured  string                 `json:"unmeasured"` // why there was no measurement
	Writes      int                    `json:"writes"`     // gated raw writes
	Reached     int                    `json:"reached"`    // of Writes: the change in flight reached the media
	WriteErrors int                    `json:"write_errors"`
	Free        int                    `json:"free"`   // raw writes beside a free-running mutator
	Failed      int                    `json:"failed"` // of Free: refused, or could not be read back
	Layers      []Layer                `json:"layers,omitempty"`
	System      *System                `json:"system"`
	Version     int                    `json:"version"`

	// Version 1; Written and WrittenWhy replaced them.
	Direct    stablewrite.Directness `json:"direct,omitempty"`
	DirectWhy string                 `json:"direct_why,omitempty"`
}

func (p *Probe) upgrade() {
	if p.WrittenWhy == "" {
		p.WrittenWhy = p.DirectWhy
	}
	p.DirectWhy = ""
	upgrade(&p.Version, &p.Written, &p.Direct)
}

// Guard counts the changes that the guard made to the opens of one file by one process. A
// guard that did nothing writes one Record, without a file.
type Guard struct {
	Kind    string  `json:"kind"` // KindGuard
	Comm    string  `json:"comm"` // of the process; "" for all processes beyond the limit of the guard
	PID     int     `json:"pid"`
	File    string  `json:"file"`    // "" for refused calls
	Opens   int     `json:"opens"`   // opens and F_SETFL that succeeded without O_DIRECT
	Cleared int     `json:"cleared"` // descriptors that had O_DIRECT from elsewhere, and lost it
	Refused int     `json:"refused"` // calls answered ENOSYS
	Stops   int     `json:"stops"`   // of threads of the whole program, for the guard
	Seconds float64 `json:"seconds"`
	System  *System `json:"system"`
	Version int     `json:"version"`
}

// Taken counts how often the guard took O_DIRECT away.
func (g Guard) Taken() int { return g.Opens + g.Cleared }

// Watch has the counts of watch for the writes of one program, from one kind of memory to
// one device. A run that looked at no write has one Record, without writes.
type Watch struct {
	Kind    string                 `json:"kind"`             // KindWatch
	Comm    string                 `json:"comm"`             // of the process; "" with PID 0
	PID     int                    `json:"pid"`              // 0: threads of the kernel, or all processes beyond the limit of watch
	Cgroup  string                 `json:"cgroup,omitempty"` // for which a thread of the kernel wrote
	Memory  Memory                 `json:"memory"`           // of the buffer
	Direct  stablewrite.Directness `json:"direct"`           // whether the program can change that memory
	Device  string                 `json:"device"`
	File    string                 `json:"file"` // "" if not known
	Layers  []Layer                `json:"layers"`
	Example *Change                `json:"example"` // null if none changed, or none was kept

	// A write is one bio. watch sums it when it is queued and again when it completes.
	Writes        int64    `json:"writes"`
	Changed       int64    `json:"changed"`        // of Writes: the sums differed
	Blocks        int64    `json:"blocks"`         // looked at, each a piece of a page of at most 4 KiB
	BlocksChanged int64    `json:"blocks_changed"` // of Blocks
	Truncated     int64    `json:"truncated"`      // of Writes: some blocks were not looked at
	FirstSeconds  *float64 `json:"first_seconds"`  // from the start to the first changed write; null: none changed

	// Of the whole run, equal in all its Records.
	Sample      int     `json:"sample"`     // one of so many bios was looked at, at random
	MaxBlocks   int     `json:"max_blocks"` // of a bio that were looked at, at most
	Bios        int64   `json:"bios"`       // that wrote, of all programs, without those that layers below made
	Untraced    int64   `json:"untraced"`   // bios that should have been looked at and were missed
	Unnamed     int64   `json:"unnamed"`    // direct bios that threads of the kernel queued, if only some programs are watched
	Interrupted bool    `json:"interrupted,omitempty"`
	Seconds     float64 `json:"seconds"`
	System      *System `json:"system"`
	Version     int     `json:"version"`
}

// Memory is the kind of memory of a bio.
type Memory string

const (
	Anonymous Memory = "anonymous"  // of the program: direct
	Mapped    Memory = "mapped"     // of a file or device that the program mapped, or of pages that it never wrote to: direct
	Shared    Memory = "shared"     // shared memory and huge pages of files: direct
	Swap      Memory = "swap"       // paged out
	PageCache Memory = "page cache" // of a file
	Metadata  Memory = "metadata"   // page cache of a block device: of a file system, or of buffered writes to the device
	KernelOwn Memory = "kernel"     // the kernel's: of a file system, or a copy of what a program wrote
)

// Directness says how a write from m was made.
func (m Memory) Directness() stablewrite.Directness {
	switch m {
	case Anonymous, Mapped, Shared:
		return stablewrite.DirectYes
	case KernelOwn:
		return stablewrite.DirectUnknown
	}
	return stablewrite.DirectNo
}

// Layer is a file system or a device that a write passes. Layers are listed from the top.
type Layer struct {
	Name   string `json:"name"`   // "btrfs", "md raid1", "dm crypt", ...
	Device string `json:"device"` // "" if it is the device of the layer above
}

// Change is a write that changed in flight.
type Change struct {
	Sector     uint64   `json:"sector"` // of 512 bytes, from the start of the whole disk
	Bytes      int64    `json:"bytes"`
	Block      int64    `json:"block"` // the first changed block of 4 KiB, from the start of the write
	Blocks     int64    `json:"blocks_changed"`
	InFlightNS int64    `json:"in_flight_ns"` // from queueing to completion
	Stack      []string `json:"stack,omitempty"`
}

// Write writes r, a Record, as one line, by one call of w.Write.
func Write(w io.Writer, r any) error { return json.NewEncoder(w).Encode(r) }
