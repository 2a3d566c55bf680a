package cost

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// Plan says what to time.
type Plan struct {
	// Target is overwritten from its start: a file or a block device; nil if On
	// is OnNull or OnDelay.
	Target *os.File
	// On is what is written to. Default OnFile or OnDevice, by what Target is.
	On record.Target
	// Latency and Bandwidth, in bytes per second, are those of OnDelay. Default
	// DefaultLatency and DefaultBandwidth.
	Latency   time.Duration
	Bandwidth float64

	Strategies []stablewrite.Strategy
	Variants   []record.Variant // rows besides: see Variants and Peers
	Sizes      []int            // bytes of each write, multiples of 4096
	Depths     []int            // writes in flight at a time
	// Mutated are shares of writes that are changed in flight, 0 to 1. Default
	// none. Strategies that refuse changed writes, variants but Again, and peers
	// are timed with none changed only. Where there are others than 0, raw, verify and
	// bounce are timed once more with none changed, submitting as those do whose
	// writes change: what a change costs is the difference to that.
	Mutated []float64
	// ChangedBlocks is in how many 4 KiB blocks such a write is changed, evenly
	// spaced; 0: in all, which costs most to resubmit.
	ChangedBlocks int
	// Cold has the writers go around in memory twice as large as the last-level
	// cache. Peers, whose memory is theirs, are then left out.
	Cold bool

	Rounds int
	Time   time.Duration // of each cell, before its Sync; a tenth more goes before, to warm up

	// Note, if not nil, is told what is missing or not as it should be; the run
	// goes on.
	Note func(string)
}

// A disk of the better sort: slow enough for the kernel's timers.
const (
	DefaultLatency   = 500 * time.Microsecond
	DefaultBandwidth = 2e9
)

// Variants are rows that show what the others are made of: raw once more, for the
// noise; raw from huge pages; raw with a sum; raw with a copy; through the page cache
// without a sum. Besides these there are Calls and Tracked. What the kernel here cannot
// do is left out, and noted.
func Variants() []record.Variant {
	return []record.Variant{record.Again, record.Huge, record.Summed, record.Copied, record.Dontcache, record.Unsummed}
}

// regionBytes is the part of the target that is written, from start to end and
// around, small enough to be filled in a moment. Where the largest writes at the
// largest depth need more, they get more; a smaller device is written whole.
const regionBytes = 64 << 20

// largest is the most that is in flight at a time.
func (p Plan) largest() int64 { return int64(slices.Max(p.Sizes)) * int64(slices.Max(p.Depths)) }

// region is what p writes to.
func (p Plan) region() (int64, error) {
	region := max(regionBytes, p.largest())
	if p.On != record.OnDevice {
		return region, nil
	}
	size, err := sizeOf(p.Target)
	if err != nil {
		return 0, err
	}
	if region = min(region, size-size%crcguard.BlockSize); region < p.largest() {
		return 0, fmt.Errorf("the device has %d bytes, and %d are in flight at a time", size, p.largest())
	}
	return region, nil
}

// withDefaults fills in what was left zero.
func (p Plan) withDefaults() (Plan, error) {
	if p.On == "" && p.Target != nil {
		p.On = record.OnFile
		st, err := p.Target.Stat()
		if err != nil {
			return p, err
		}
		if !st.Mode().IsRegular() {
			p.On = record.OnDevice
		}
	}
	if p.Latency == 0 {
		p.Latency = DefaultLatency
	}
	if p.Bandwidth == 0 {
		p.Bandwidth = DefaultBandwidth
	}
	if len(p.Mutated) == 0 {
		p.Mutated = []float64{0}
	}
	if p.Note == nil {
		p.Note = func(string) {}
	}
	return p, nil
}

// Validate reports what is wrong with p, if anything.
func (p Plan) Validate() error {
	switch {
	case p.On != record.OnNull && p.On != record.OnDelay && p.Target == nil:
		return errors.New("no target")
	case len(p.Strategies) == 0 || len(p.Sizes) == 0 || len(p.Depths) == 0:
		return errors.New("no strategies, sizes or depths")
	case slices.ContainsFunc(p.Sizes, func(n int) bool { return n <= 0 || n%crcguard.BlockSize != 0 }):
		return fmt.Errorf("sizes must be multiples of %d and not 0", crcguard.BlockSize)
	case slices.Min(p.Depths) < 1:
		return errors.New("depths must be at least 1")
	case slices.ContainsFunc(p.Mutated, func(s float64) bool { return !(s >= 0 && s <= 1) }):
		return errors.New("shares of changed writes must be from 0 to 1")
	case p.Rounds < 1 || p.Time <= 0 || p.ChangedBlocks < 0 || p.Latency < 0 || p.Bandwidth < 0:
		return errors.New("rounds and time must be more than 0, and nothing less")
	}
	return nil
}

// possible is p without rows that the kernel here cannot write, and why it cannot.
func (p Plan) possible() (_ Plan, left []string) {
	without := func(v record.Variant, row, cause string) {
		p.Variants = slices.DeleteFunc(slices.Clone(p.Variants), func(w record.Variant) bool { return v == w })
		left = append(left, fmt.Sprintf("%s is left out: %s", row, cause))
	}
	if slices.Contains(p.Variants, record.Tracked) {
		if _, err := stablewrite.TrackedBuffer(1); err != nil {
			without(record.Tracked, "verify by tracking", err.Error())
		}
	}
	if slices.Contains(p.Variants, record.Dontcache) && p.disk() && !takesDontcache(p.Target) {
		without(record.Dontcache, "raw, dontcache", "RWF_DONTCACHE takes Linux 6.14 and a file system that knows it")
	}
	return p, left
}

// group is what is compared with each other: cells that differ by writer and
// round only.
type group struct {
	size, depth int
	mutated     float64
	twoSteps    bool // though nothing changes
}

// groups are those of p, in order.
func (p Plan) groups() (all []group) {
	each := func(mutated float64, twoSteps bool) {
		for _, size := range p.Sizes {
			for _, depth := range p.Depths {
				all = append(all, group{size, depth, mutated, twoSteps})
			}
		}
	}
	for _, mutated := range p.Mutated {
		each(mutated, false)
	}
	if p.disk() && slices.Contains(p.Mutated, 0) && slices.Max(p.Mutated) > 0 {
		each(0, true)
	}
	return all
}

// disk reports whether writes go to the kernel.
func (p Plan) disk() bool { return p.On == record.OnFile || p.On == record.OnDevice }

// writer is who writes in a cell.
type writer struct {
	strategy stablewrite.Strategy
	variant  record.Variant
}

func (w writer) String() string {
	return record.Cost{Strategy: w.strategy, Variant: w.variant}.Writer()
}

// writers are those that are timed in g, in the order of the first round.
func (p Plan) writers(g group) (all []writer) {
	if g.twoSteps {
		return p.crossing()
	}
	for _, s := range p.Strategies {
		if (s.Direct() || p.disk()) && (g.mutated == 0 || !s.Promise().Refuses) {
			all = append(all, writer{s, ""})
		}
	}
	for _, v := range p.Variants {
		if v == record.Calls {
			all = append(all, p.calling(g)...)
			continue
		}
		w := writer{stablewrite.Raw, v}
		applies := g.mutated == 0
		switch {
		case v == record.Again:
			applies = true
		case v == record.Tracked:
			w.strategy = stablewrite.Verify
		case v == record.Dontcache:
			applies = applies && p.disk()
		case v == record.Unsummed:
			w.strategy = stablewrite.Buffered
			applies = applies && p.disk()
		case v.Peer():
			applies = applies && p.disk() && !p.Cold && (v != record.DD || g.depth == 1)
		}
		if applies {
			all = append(all, w)
		}
	}
	return all
}

// calling are those whose writes a ring would take.
func (p Plan) calling(g group) (all []writer) {
	if !p.disk() || g.mutated > 0 || g.depth == 1 && g.size <= stablewrite.DefaultSegmentBytes {
		return nil
	}
	for _, s := range p.Strategies {
		if s.Direct() && (s.Sums() || g.depth > 1) {
			all = append(all, writer{s, record.Calls})
		}
	}
	return all
}

// crossing are those whose costs cross, and raw twice.
func (p Plan) crossing() (all []writer) {
	for _, s := range p.Strategies {
		if s == stablewrite.Raw || s == stablewrite.Verify || s == stablewrite.Bounce {
			all = append(all, writer{s, ""})
		}
	}
	if slices.Contains(p.Variants, record.Again) {
		all = append(all, writer{stablewrite.Raw, record.Again})
	}
	return all
}

// Cells is how many cells a Plan has, warm-up included.
func (p Plan) Cells() (n int) {
	p, err := p.withDefaults()
	if err != nil {
		return 0 // Run will say
	}
	p, _ = p.possible()
	for _, g := range p.groups() {
		n += len(p.writers(g))
	}
	return n * (p.Rounds + 1)
}
