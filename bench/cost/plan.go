package cost

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// Plan says what to time.
type Plan struct {
	// Target is overwritten from its start: a file or a block device, opened without
	// O_DIRECT; nil if On is OnNull or OnDelay.
	Target *os.File
	// On is the kind of target. Default OnFile or OnDevice, whichever Target is.
	On record.Target
	// Latency and Bandwidth, in bytes per second, are those of OnDelay. Default
	// DefaultLatency and DefaultBandwidth.
	Latency   time.Duration
	Bandwidth float64

	Strategies []stablewrite.Strategy
	Variants   []record.Variant // further rows: see Variants and Peers
	Sizes      []int            // bytes of each write, multiples of 4096
	Depths     []int            // writes in flight at a time
	// Mutated are shares of writes that change in flight, 0 to 1. Default 0 only. Other
	// shares are not timed for strategies that refuse changed writes, for variants except
	// Again, and for peers.
	Mutated       []float64
	ChangedBlocks int  // 4 KiB blocks, evenly spaced, that change in such a write; 0: all
	Cold          bool // write from memory twice as large as the last-level cache; without peers

	Rounds int
	Time   time.Duration // of each cell, before its Sync; the warm-up takes a tenth of it more

	// Note, if not nil, gets a text about anything missing or unexpected. The run goes on.
	Note func(string)
}

// Of a fast disk, and slow enough for the kernel's timers.
const (
	DefaultLatency   = 500 * time.Microsecond
	DefaultBandwidth = 2e9
)

const (
	maxDepth  = 1024    // more than any disk queues; io_setup needs no privileges for it
	maxRounds = 1 << 20 // days, even with the shortest cells
)

// Variants are the rows that explain those of the strategies. Run leaves out, with a note,
// what the kernel does not support.
func Variants() []record.Variant {
	return []record.Variant{
		record.Again, record.Huge, record.Summed, record.Copied, record.Dontcache, record.Unsummed,
	}
}

// Validate returns an error if p is not valid. Defaults must be filled in; the Target is
// not looked at.
func (p Plan) Validate() error {
	for _, size := range p.Sizes {
		if size <= 0 || size%crcguard.BlockSize != 0 {
			return fmt.Errorf("size %d must be a multiple of %d and not 0", size, crcguard.BlockSize)
		}
	}
	switch {
	case len(p.Strategies) == 0 || len(p.Sizes) == 0 || len(p.Depths) == 0:
		return errors.New("strategies, sizes and depths must not be empty")
	case slices.Min(p.Depths) < 1 || slices.Max(p.Depths) > maxDepth:
		return fmt.Errorf("depths must be from 1 to %d", maxDepth)
	case slices.ContainsFunc(p.Mutated, func(share float64) bool { return !(share >= 0 && share <= 1) }):
		return errors.New("shares of changed writes must be from 0 to 1")
	case p.ChangedBlocks < 0:
		return errors.New("changed blocks must not be negative")
	case p.Rounds < 1 || p.Rounds > maxRounds:
		return fmt.Errorf("rounds must be more than 0 and at most %d", maxRounds)
	case p.Time <= 0:
		return errors.New("time must be more than 0")
	case p.Latency <= 0 || p.Latency > time.Minute:
		return errors.New("the latency of delay must be more than 0 and at most a minute")
	case !(p.Bandwidth >= 1e6 && p.Bandwidth <= 1e15):
		return errors.New("the bandwidth of delay must be from 1 to 1e9 MB/s")
	}
	return nil
}

// complete fills in what was left zero, and leaves out the rows that the kernel here does
// not support. Notes say why.
func (p Plan) complete() (Plan, error) {
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
	p.Latency, p.Bandwidth = cmp.Or(p.Latency, DefaultLatency), cmp.Or(p.Bandwidth, DefaultBandwidth)
	if len(p.Mutated) == 0 {
		p.Mutated = []float64{0}
	}
	if p.Note == nil {
		p.Note = func(string) {}
	}
	if err := p.Validate(); err != nil {
		return p, err
	}
	if p.disk() && p.Target == nil {
		return p, errors.New("no target")
	}
	_, untracked := stablewrite.TrackedBuffer(1)
	p.Variants = slices.DeleteFunc(slices.Clone(p.Variants), func(v record.Variant) bool {
		switch {
		case v == record.Tracked && untracked != nil:
			p.Note(fmt.Sprintf("verify by tracking is left out: %v", untracked))
		case v == record.Dontcache && p.disk() && !takesDontcache(p.Target):
			p.Note("raw, dontcache is left out: RWF_DONTCACHE needs Linux 6.14 and a file system that supports it")
		default:
			return false
		}
		return true
	})
	return p, nil
}

// disk reports whether writes go to the kernel.
func (p Plan) disk() bool { return !p.On.Simulated() }

// regionBytes is the size of the region, unless more is in flight at a time or a device is
// smaller. It is small enough to be filled quickly.
const regionBytes = 64 << 20

// largest is the most bytes that are in flight at a time.
func (p Plan) largest() int64 { return int64(slices.Max(p.Sizes)) * int64(slices.Max(p.Depths)) }

// region is the size of the part of the target that is written over and over.
func (p Plan) region() (int64, error) {
	region := max(regionBytes, p.largest())
	if p.On != record.OnDevice {
		return region, nil
	}
	size, err := p.Target.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	if region = min(region, size-size%crcguard.BlockSize); region < p.largest() {
		return 0, fmt.Errorf("the device has %d bytes, and %d are in flight at a time: choose smaller sizes or depths", size, p.largest())
	}
	return region, nil
}

// group is a table of cells that are compared with each other: they differ only by writer
// and round.
type group struct {
	size, depth int
	mutated     float64
	twoSteps    bool // though nothing changes
}

// groups lists the groups of p, in order.
func (p Plan) groups() (all []group) {
	var changes []group
	for _, mutated := range p.Mutated {
		changes = append(changes, group{mutated: mutated})
	}
	if p.disk() && slices.Contains(p.Mutated, 0) && slices.Max(p.Mutated) > 0 {
		changes = append(changes, group{twoSteps: true})
	}
	for _, g := range changes {
		for _, g.size = range p.Sizes {
			for _, g.depth = range p.Depths {
				all = append(all, g)
			}
		}
	}
	return all
}

// writer is the writer of a cell.
type writer struct {
	strategy stablewrite.Strategy
	variant  record.Variant
}

func (w writer) String() string {
	return record.Cost{Strategy: w.strategy, Variant: w.variant}.Writer()
}

// writers lists the writers of g, in the order of the first round.
func (p Plan) writers(g group) (all []writer) {
	for _, s := range p.Strategies {
		crosses := s == stablewrite.Raw || s == stablewrite.Verify || s == stablewrite.Bounce
		refused := g.mutated > 0 && s.Promise().Refuses
		if (crosses || !g.twoSteps) && (s.Direct() || p.disk()) && !refused {
			all = append(all, writer{s, ""})
		}
	}
	atRest := g.mutated == 0 && !g.twoSteps
	for _, v := range p.Variants {
		switch {
		case v == record.Again:
			all = append(all, writer{stablewrite.Raw, v})
		case !atRest:
		case v == record.Calls:
			for _, s := range p.Strategies { // those that use a ring unless told otherwise
				if p.disk() && s.Direct() && (g.depth > 1 || s.Sums() && g.size > stablewrite.DefaultSegmentBytes) {
					all = append(all, writer{s, v})
				}
			}
		case v == record.Tracked:
			all = append(all, writer{stablewrite.Verify, v})
		case v == record.Huge, v == record.Summed, v == record.Copied:
			all = append(all, writer{stablewrite.Raw, v})
		case !p.disk():
		case v == record.Unsummed:
			all = append(all, writer{stablewrite.Buffered, v})
		case v == record.Dontcache, v.Peer() && !p.Cold && (v != record.DD || g.depth == 1):
			all = append(all, writer{stablewrite.Raw, v})
		}
	}
	return all
}

// Cells is the number of cells of p, warm-up included.
func (p Plan) Cells() (n int) {
	p.Note = nil // Run notes it
	p, err := p.complete()
	if err != nil {
		return 0 // Run returns the error
	}
	for _, g := range p.groups() {
		n += len(p.writers(g))
	}
	return n * (p.Rounds + 1)
}
