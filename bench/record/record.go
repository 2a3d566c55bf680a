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

// Version is that of the fields below. It changes when one changes its meaning, or
// gives way to another. Records from Oldest on can be read; Upgrade makes them what
// they would be today.
//
// Version 2 has Written in the place of Direct, which did not tell what a kernel
// bounced from what it wrote directly.
const (
	Version = 2
	Oldest  = 1
)

// Kinds of Record.
const (
	KindRepro = "repro"
	KindCost  = "cost"
	KindProbe = "probe"
	KindProve = "prove"

	KindPrecision = "precision"
	KindGuard     = "guard"
	KindWatch     = "watch"
)

// Repro is the result of one race.
type Repro struct {
	Kind        string                 `json:"kind"` // KindRepro
	Strategy    stablewrite.Strategy   `json:"strategy"`
	Buffered    bool                   `json:"buffered,omitempty"` // the negative control: through the page cache by intent
	Mutator     mutator.Kind           `json:"mutator"`
	Gate        bool                   `json:"gate"`
	Detect      stablewrite.Detection  `json:"detect"` // what changes were detected by
	In          mutator.Where          `json:"in"`     // where the mutator ran
	Size        int                    `json:"size"`   // bytes of each write
	Writes      int                    `json:"writes"`
	Overlapped  int                    `json:"overlapped"`        // writes during which the buffer was changed; gated: in flight
	Changed     int                    `json:"changed"`           // writes whose writer saw a change
	Tracked     int                    `json:"tracked,omitempty"` // writes all of whose memory the kernel tracked
	Resubmitted int                    `json:"resubmitted"`       // writes that submitted once more
	Torn        int                    `json:"torn"`              // writes whose media differ from the receipt, or cannot be read
	ReadErrors  int                    `json:"read_errors"`       // of Torn: those that cannot be read
	WriteErrors int                    `json:"write_errors"`      // writes that returned an error
	Refused     int                    `json:"refused"`           // of WriteErrors: those for a change, by the strategy
	Interrupted bool                   `json:"interrupted,omitempty"`
	Seconds     float64                `json:"seconds"`
	HoldNS      int64                  `json:"hold_ns"`
	Seed        uint64                 `json:"seed"`
	Written     stablewrite.Directness `json:"written"` // how the kernel writes the file
	System      *System                `json:"system"`
	Version     int                    `json:"version"`

	Direct stablewrite.Directness `json:"direct,omitempty"` // in Records of version 1, in the place of Written
}

// Upgrade makes of a Record of an older Version what it would be today.
func (r *Repro) Upgrade() { upgrade(&r.Version, &r.Written, &r.Direct) }

func upgrade(version *int, written, direct *stablewrite.Directness) {
	if *written == stablewrite.DirectUnknown {
		*written = *direct
	}
	*version, *direct = Version, stablewrite.DirectUnknown
}

// Writer names who wrote: the strategy, and what differs from its usual ways.
func (r Repro) Writer() string {
	switch {
	case r.Buffered:
		return r.Strategy.String() + ", page cache"
	case r.Detect != stablewrite.ByDigest:
		return r.Strategy.String() + " by " + r.Detect.String()
	}
	return r.Strategy.String()
}

// Prove is what happened to a victim inside a stock kernel. Its Kind is
// KindProve.
//
// In a race the fields of Repro mean what they always do. In the others Writes
// counts what was tried: reads whose iovecs share a base (ReadErrors of them
// failed, with nothing torn), writes that the power failed in or commits that it
// could have failed at (Torn left something unreadable or diverged), writes while
// some fail below (Torn counts places on the media that are not what the writer
// was told), writes of a probe (after Torn of them a change in flight was on the
// media), blocks of 4 KiB that an unmodified program wrote (ReadErrors of them cannot
// be read, Diverged differ between legs).
type Prove struct {
	Repro
	Scenario Scenario `json:"scenario"` // what was tried
	Kernel   string   `json:"kernel"`   // release
	Origin   string   `json:"origin"`   // of the kernel: Debian's version and suite; "" if the user unpacked it
	Victim   string   `json:"victim"`
	Needs    bool     `json:"needs_stable_pages"` // false: the victim is a control
	Accel    string   `json:"accel"`              // how the processor was made: "tcg" is emulated
	// WrittenBy says how Written was found out: ByGate, ByPages or ByBoth, or "" if it
	// is assumed from the kernel's version and the file system.
	WrittenBy string `json:"written_by"`
	// Diverged counts, of Torn, the writes after which the legs of a mirror
	// differed from each other.
	Diverged int `json:"diverged"`
	// Mismatches is what the victim itself counted, in its own unit: btrfs and
	// dm-integrity blocks whose checksum failed, md the mismatch_cnt of a check
	// after the first write that left its legs different, or else after the last. Null where it counts nothing.
	Mismatches *int `json:"mismatches"`
	// FirstFailure is when the first write failed by the victim's own account (it
	// was refused, could not be read, or diverged), on a control and where the kernel
	// copies when the first was torn, in seconds from the start; null if none was.
	FirstFailure *float64 `json:"first_failure_seconds"`
	Evidence     []string `json:"evidence"` // lines of the kernel's log; of a probe what it advises
	// Answer is what the command probe said of the stage: "open", "closed" or "not
	// shown". "" in Records of other scenarios.
	Answer string `json:"answer,omitempty"`

	Program string   `json:"program,omitempty"` // the unmodified program; "" in Records of other scenarios
	Guarded bool     `json:"guarded,omitempty"` // it ran under the command run
	Failure string   `json:"failure,omitempty"` // what the program said when it failed; "" if it did not
	Watched *Watched `json:"watched,omitempty"` // its direct writes; null if they were not watched
}

// Watched is what watch saw of the direct writes of a program: a Watch in short.
type Watched struct {
	Comm     string `json:"comm"`     // of the process with most of those that changed; "" if none did
	Writes   int64  `json:"writes"`   // as in Watch
	Changed  int64  `json:"changed"`  // as in Watch
	Untraced int64  `json:"untraced"` // as in Watch
}

// Scenario is what is tried on a victim.
type Scenario string

const (
	Race     Scenario = "race" // mutator against writer
	SameBase Scenario = "read" // reads whose two iovecs have one base: the first fault in the mail of 2011
	// Unmodified programs run, each plain and under the command run, with watch beside.
	Unmodified Scenario = "program"

	Crash  Scenario = "crash"  // writers end after their first submission, another program syncs, the power fails
	Replay Scenario = "replay" // a crash at each commit of a log of all that reached the disk
	Faults Scenario = "faults" // writes fail below
	// Probing cannot be asked for: each machine that races is probed, too.
	Probing Scenario = "probe"
)

// Upgrade is that of Repro. What Records of version 1 say is not direct was shown
// not to be.
func (r *Prove) Upgrade() {
	if r.Direct == stablewrite.DirectNo && r.WrittenBy == "" {
		r.WrittenBy = ByGate
	}
	r.Repro.Upgrade()
}

// Ways to find out how a kernel writes.
const (
	// ByGate: changes that were made in flight did or did not reach the media, and the
	// page cache had as many dirty pages as were written, or had not.
	ByGate = "gate"
	// ByPages: whose pages a write held when it came to the device.
	ByPages = "pages"
	// ByBoth: they agree.
	ByBoth = "gate and pages"
)

// Cost is one timed cell: one writer, size, depth and share of changed writes, in
// one round.
type Cost struct {
	Kind          string               `json:"kind"` // KindCost
	Strategy      stablewrite.Strategy `json:"strategy"`
	Variant       Variant              `json:"variant,omitempty"` // what differs from a File of that strategy
	Target        Target               `json:"target"`            // what was written to
	Cold          bool                 `json:"cold"`              // buffers were a ring larger than the last-level cache
	Backing       string               `json:"backing"`           // pages behind the writers' memory: "4k", "huge", "mixed", "" if not known
	Private       string               `json:"private,omitempty"` // pages behind private memory; "" if there was none, or not known
	Engine        string               `json:"engine,omitempty"`  // how submissions went out: "ring", where one serves, or "calls"; "" on what is no file
	Size          int                  `json:"size"`
	Depth         int                  `json:"depth"`
	Procs         int                  `json:"procs,omitempty"`     // GOMAXPROCS, in Records of when each write in flight had a goroutine; no longer written
	Mutated       float64              `json:"mutated"`             // share of writes changed in flight, 0 to 1
	TwoSteps      bool                 `json:"two_steps,omitempty"` // submitted and reaped apart though nothing changes between, as where something does
	Round         int                  `json:"round"`
	Writes        int64                `json:"writes"`
	Changed       int64                `json:"changed"`                  // of these: the writer saw a change
	Overlapped    int64                `json:"overlapped,omitempty"`     // of these: changed in flight, by design
	ChangedBlocks int                  `json:"changed_blocks,omitempty"` // 4 KiB blocks that each of them was changed in; 0: in all
	Bytes         int64                `json:"bytes"`
	Seconds       float64              `json:"seconds"` // the Sync at the end included

	P50NS            int64   `json:"p50_ns"` // of a write, from its call to its return
	P99NS            int64   `json:"p99_ns"`
	P999NS           int64   `json:"p999_ns"`
	CPUUserSeconds   float64 `json:"cpu_user_seconds"`
	CPUSystemSeconds float64 `json:"cpu_system_seconds"`
	Amplification    float64 `json:"amplification"` // bytes submitted by bytes asked for
	PoolPeak         int     `json:"pool_peak"`     // bytes of private memory, at most at a time
	Extents          *int    `json:"extents"`       // of the file after the cell; null where it cannot be asked

	// Checked counts the writes, the last ones, whose media were read back at the
	// end, and Torn those of them that were not what their receipt says.
	Checked int64 `json:"checked,omitempty"`
	Torn    int64 `json:"torn,omitempty"`

	// What OnDelay delays by.
	DelayLatencyNS      int64   `json:"delay_latency_ns,omitempty"`
	DelayBytesPerSecond float64 `json:"delay_bytes_per_second,omitempty"`

	Written stablewrite.Directness `json:"written"` // as in Repro
	System  *System                `json:"system"`
	Version int                    `json:"version"`

	Direct stablewrite.Directness `json:"direct,omitempty"` // in Records of version 1, in the place of Written
}

// Upgrade is that of Repro.
func (c *Cost) Upgrade() { upgrade(&c.Version, &c.Written, &c.Direct) }

// Target is what a cost was measured on.
type Target string

const (
	OnFile   Target = "file"
	OnDevice Target = "device" // a block device
	OnNull   Target = "null"   // takes every write at once: what is left is the cost of the software
	OnDelay  Target = "delay"  // a fixed latency and bandwidth: what is left does not depend on a disk
)

// Simulated reports whether t is memory, with no disk below.
func (t Target) Simulated() bool { return t == OnNull || t == OnDelay }

// Variant is what differs from a File of a strategy as a user has it.
type Variant string

const (
	Again     Variant = "again"     // the same once more: what two equal things differ by is noise
	Huge      Variant = "huge"      // raw, from huge pages
	Calls     Variant = "calls"     // by blocking calls only (Options.Engine), where a ring would serve
	Copied    Variant = "copied"    // raw, from memory that what is written is copied to before each write: that it was just written costs, too
	Summed    Variant = "summed"    // raw, and a CRC-32C before each write, as a checksumming user takes one
	Tracked   Variant = "tracked"   // verify by tracking, its memory tracked by the kernel
	Dontcache Variant = "dontcache" // raw, through the page cache, which keeps nothing of it (RWF_DONTCACHE, Linux 6.14)
	Unsummed  Variant = "unsummed"  // buffered without the private copy and its sum: a plain program that writes through the page cache

	// Peers: other programs on the same target. Their strategy is raw.
	FioPsync    Variant = "fio psync"
	FioPsyncSum Variant = "fio psync, crc32c"
	FioUring    Variant = "fio io_uring, fixed" // registered buffers and files
	DD          Variant = "dd"
)

// Peer reports whether v is another program.
func (v Variant) Peer() bool {
	return v == DD || strings.HasPrefix(string(v), "fio ")
}

// CostKey is all that tells timings apart but their round, as in Cost.
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

// Key is what c is a timing of.
func (c Cost) Key() CostKey {
	return CostKey{c.Strategy, c.Variant, c.Target, c.Cold, c.Size, c.Depth, c.Mutated, c.TwoSteps, c.ChangedBlocks, c.DelayLatencyNS, c.DelayBytesPerSecond}
}

// Base is the key of plain raw writes of the same kind, which k is compared with, of
// which as many change. Raw does nothing about that, so what a change costs is
// what the strategy does about it. What it costs to make the change, and to submit
// in a way that lets it be made, is in both.
func (k CostKey) Base() CostKey {
	k.Strategy, k.Variant = stablewrite.Raw, ""
	return k
}

// Again is the key of raw once more, which differs from Base by nothing.
func (k CostKey) Again() CostKey {
	k.Strategy, k.Variant = stablewrite.Raw, Again
	return k
}

// Writer names who wrote: a strategy, a strategy and what differs from it, or
// another program.
func (k CostKey) Writer() string {
	switch {
	case k.Variant == "":
		return k.Strategy.String()
	case k.Variant.Peer():
		return string(k.Variant)
	}
	return k.Strategy.String() + ", " + string(k.Variant)
}

// Steps are how many a write takes: 2 if it is submitted and reaped apart.
func (k CostKey) Steps() int {
	if k.TwoSteps || k.Mutated > 0 && !k.Target.Simulated() {
		return 2
	}
	return 1
}

// Memory says whether the buffers fit the caches.
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

// Writer is that of the key.
func (c Cost) Writer() string { return c.Key().Writer() }

// Precision is what detection by a strategy hit: of the blocks of writes that were
// changed in flight, which were torn on the media after the first submission, and
// which were resubmitted.
type Precision struct {
	Kind        string                `json:"kind"` // KindPrecision
	Strategy    stablewrite.Strategy  `json:"strategy"`
	Detect      stablewrite.Detection `json:"detect"`
	Mutator     mutator.Kind          `json:"mutator"`
	HoldNS      int64                 `json:"hold_ns"`
	Seed        uint64                `json:"seed"`
	Size        int                   `json:"size"`
	Writes      int                   `json:"writes"`      // changed in flight
	Blocks      int                   `json:"blocks"`      // of these writes, 4 KiB each
	Torn        int                   `json:"torn"`        // blocks whose media differed from what was armed, before any resubmission
	Resubmitted int                   `json:"resubmitted"` // blocks
	Both        int                   `json:"both"`        // blocks that were torn, and resubmitted: by Resubmitted the precision, by Torn the recall
	System      *System               `json:"system"`
	Version     int                   `json:"version"`
}

// Probe is what probe found out about a path.
type Probe struct {
	Kind        string                 `json:"kind"` // KindProbe
	Path        string                 `json:"path"`
	MemAlign    int                    `json:"mem_align"`
	OffsetAlign int                    `json:"offset_align"`
	AlignSource string                 `json:"align_source"`
	Written     stablewrite.Directness `json:"written"` // what is known, or assumed, without trying
	WrittenWhy  string                 `json:"written_why"`
	Measured    string                 `json:"measured"`   // what gated writes were made on; "" if none were
	Unmeasured  string                 `json:"unmeasured"` // why none were made
	Writes      int                    `json:"writes"`     // gated raw writes
	Reached     int                    `json:"reached"`    // of these: the change in flight reached the media
	WriteErrors int                    `json:"write_errors"`
	Free        int                    `json:"free"`   // raw writes whose buffer was changed at any time, by a mutator that ran free
	Failed      int                    `json:"failed"` // of these: refused, or not to be read back
	System      *System                `json:"system"`
	Version     int                    `json:"version"`

	// In Records of version 1, in the place of Written and WrittenWhy.
	Direct    stablewrite.Directness `json:"direct,omitempty"`
	DirectWhy string                 `json:"direct_why,omitempty"`
}

// Upgrade is that of Repro.
func (p *Probe) Upgrade() {
	if p.WrittenWhy == "" {
		p.WrittenWhy = p.DirectWhy
	}
	p.DirectWhy = ""
	upgrade(&p.Version, &p.Written, &p.Direct)
}

// Guard is what a guard did to one file of one process. A guard that did nothing
// has one Record, without a file.
type Guard struct {
	Kind    string  `json:"kind"` // KindGuard
	Comm    string  `json:"comm"` // of the process; "" for all those beyond what is told apart
	PID     int     `json:"pid"`
	File    string  `json:"file"`    // "" for calls that were refused
	Opens   int     `json:"opens"`   // calls that lost O_DIRECT and succeeded: opens, and F_SETFL
	Cleared int     `json:"cleared"` // descriptors that had O_DIRECT without such a call, and lost it
	Refused int     `json:"refused"` // calls answered ENOSYS
	Stops   int     `json:"stops"`   // of the whole program: how often a thread was stopped for the guard
	Seconds float64 `json:"seconds"`
	System  *System `json:"system"`
	Version int     `json:"version"`
}

// Taken is how often O_DIRECT was taken away.
func (g Guard) Taken() int { return g.Opens + g.Cleared }

// Watch is what was seen of the writes of one program, from one kind of memory to
// one device. A run that saw no write to look at has one Record, without writes.
type Watch struct {
	Kind    string                 `json:"kind"`             // KindWatch
	Comm    string                 `json:"comm"`             // of the process; "" with PID 0
	PID     int                    `json:"pid"`              // 0: threads of the kernel, or all those beyond what is told apart
	Cgroup  string                 `json:"cgroup,omitempty"` // that a thread of the kernel wrote for
	Memory  Memory                 `json:"memory"`           // what was written from
	Direct  stablewrite.Directness `json:"direct"`           // whether that is memory of the program, which it may change
	Device  string                 `json:"device"`
	File    string                 `json:"file"` // "" if it cannot be told
	Layers  []Layer                `json:"layers"`
	Example *Change                `json:"example"` // null if none changed, or none could be kept

	// A write is one bio, looked at when it was queued and when it completed.
	Writes        int64    `json:"writes"`
	Changed       int64    `json:"changed"`        // of these: differed when they completed
	Blocks        int64    `json:"blocks"`         // looked at, pieces of a page at most 4 KiB each
	BlocksChanged int64    `json:"blocks_changed"` // of these
	Truncated     int64    `json:"truncated"`      // of Writes: not all blocks were looked at
	FirstSeconds  *float64 `json:"first_seconds"`  // when the first was seen to change, from the start; null: none was

	// Of the whole run, equal in all its Records.
	Sample      int     `json:"sample"`     // one bio of so many was looked at, by chance
	MaxBlocks   int     `json:"max_blocks"` // that were looked at of a bio
	Bios        int64   `json:"bios"`       // that write, of all programs, those that layers below made not counted
	Untraced    int64   `json:"untraced"`   // to be looked at, but missed
	Unnamed     int64   `json:"unnamed"`    // direct, queued by threads of the kernel, where only some programs were asked for
	Interrupted bool    `json:"interrupted,omitempty"`
	Seconds     float64 `json:"seconds"`
	System      *System `json:"system"`
	Version     int     `json:"version"`
}

// Memory is what a bio is made from.
type Memory string

const (
	Anonymous Memory = "anonymous"  // of the program: direct
	Mapped    Memory = "mapped"     // of a file or a device that the program mapped, or that it never wrote to: direct
	Shared    Memory = "shared"     // shared memory and huge pages of files: direct
	Swap      Memory = "swap"       // paged out
	PageCache Memory = "page cache" // of a file
	Metadata  Memory = "metadata"   // page cache of a block device: of a file system, or of programs that write it buffered
	KernelOwn Memory = "kernel"     // the kernel's own: of a file system, or a copy that was made of what a program wrote
)

// Directness is that of writes from m.
func (m Memory) Directness() stablewrite.Directness {
	switch m {
	case Anonymous, Mapped, Shared:
		return stablewrite.DirectYes
	case KernelOwn:
		return stablewrite.DirectUnknown
	}
	return stablewrite.DirectNo
}

// Layer is what a write passes on its way down, the highest first: a file system or
// a device.
type Layer struct {
	Name   string `json:"name"`   // "btrfs", "md raid1", "dm crypt", ...
	Device string `json:"device"` // "" if it is the same as above
}

// Change is a write that changed in flight.
type Change struct {
	Sector     uint64   `json:"sector"` // of 512 bytes, on the whole disk
	Bytes      int64    `json:"bytes"`
	Block      int64    `json:"block"` // the first that changed, of 4 KiB, in the write
	Blocks     int64    `json:"blocks_changed"`
	InFlightNS int64    `json:"in_flight_ns"` // from queueing to completion
	Stack      []string `json:"stack,omitempty"`
}

// Write writes r, a Record, as one line.
func Write(w io.Writer, r any) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
