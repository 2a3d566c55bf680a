package repro

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/scratch"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// Config describes a race.
type Config struct {
	Target   *os.File // overwritten from Offset on
	Offset   int64    // a multiple of 4096
	Strategy stablewrite.Strategy
	Detect   stablewrite.Detection
	// Buffered writes through the page cache whatever the strategy: with Raw,
	// the negative control.
	Buffered bool
	// Indirect runs even where the kernel is known not to write directly, which
	// otherwise is an error: nothing could be shown.
	Indirect bool
	Mutator  mutator.Kind
	In       mutator.Where
	Gate     bool // changes are made in flight, and only then
	Hold     time.Duration
	Seed     uint64
	Size     int // of each write, a multiple of 4096

	// The race ends after Duration or Writes, whichever is first, if they are
	// not zero; when the context does; and at the first failing read if
	// StopAtReadError.
	Duration        time.Duration
	Writes          int
	StopAtReadError bool

	// Also, if not nil, is asked after every write that was acknowledged whether
	// the media, seen some other way, differ from the block sums of the receipt:
	// on a mirror, whether a leg does.
	Also func(sums []uint32) (torn bool, err error)
	// Landed, if not nil, is called by a gated race each time a submission has
	// completed, the first of a write being 1. What it returns is the error of
	// the run.
	Landed func(submission int) error
}

// How long ABA leaves a block changed unless told otherwise. Free-running, a
// change is torn and unseen if it begins and ends between the two looks of the
// writer: on the disks of virtual machines, where a write of 1 MiB takes half a
// millisecond, 200 us hits most often. Gated, a longer hold only covers more of
// the transfer.
const (
	DefaultHold      = 200 * time.Microsecond
	DefaultGatedHold = time.Millisecond
)

// testEvery is how often, of writes that fail in a row, the device is tested with
// memory that nobody changes: one that asks for stable pages may refuse every
// changed write and be sound, one that vanished fails them all, for ever.
const testEvery = 100

// Run runs the race and returns what was counted, in either case. The error is
// of the run, not of the race: torn writes are no error. Progress, if not nil,
// is called after every write.
func Run(ctx context.Context, cfg Config, progress func(record.Repro)) (record.Repro, error) {
	r := &race{cfg: cfg, rec: record.Repro{
		Kind: record.KindRepro, Strategy: cfg.Strategy, Buffered: cfg.Buffered, Mutator: cfg.Mutator,
		Gate: cfg.Gate, Detect: cfg.Detect, In: cfg.In, Size: cfg.Size, HoldNS: cfg.Hold.Nanoseconds(),
		Seed: cfg.Seed, System: record.SystemOf(cfg.Target), Version: record.Version,
	}}
	err := r.open()
	if err == nil {
		err = r.loop(ctx, progress)
	}
	return r.rec, errors.Join(err, r.close(err))
}

// race is a Run under way.
type race struct {
	cfg      Config
	m        *mutator.Mutator
	gate     *gate // nil if free-running
	file     *stablewrite.File
	oracle   *oracle
	w        stablewrite.Write
	failures int    // in a row
	untrack  func() // nil: the buffer is not tracked
	rec      record.Repro
}

func (r *race) open() (err error) {
	direct := r.cfg.Strategy.Direct() && !r.cfg.Buffered
	opts := stablewrite.Options{Strategy: r.cfg.Strategy, DetectBy: r.cfg.Detect, RequireDirect: direct && !r.cfg.Indirect}
	if r.file, err = openFile(r.cfg.Target, direct, opts); err != nil {
		return err
	}
	geo := r.file.Geometry()
	r.rec.Written = geo.Direct
	if r.cfg.Offset%4096 != 0 || r.cfg.Offset%int64(geo.OffsetAlign) != 0 {
		return fmt.Errorf("writes at %d: this device takes multiples of %d", r.cfg.Offset, max(4096, geo.OffsetAlign))
	}
	if r.cfg.Size%geo.OffsetAlign != 0 {
		return fmt.Errorf("writes of %d bytes: this device takes multiples of %d", r.cfg.Size, geo.OffsetAlign)
	}
	if r.oracle, err = newOracle(r.cfg.Target, r.cfg.Offset, r.cfg.Size); err != nil {
		return err
	}
	if r.m, err = mutator.Start(mutator.Config{
		Kind: r.cfg.Mutator, In: r.cfg.In, Gated: r.cfg.Gate, Hold: r.cfg.Hold, Seed: r.cfg.Seed, Size: r.cfg.Size,
	}); err != nil {
		return err
	}
	// Another process has its own page table, whose stores the kernel does not note for
	// this one: such a buffer is not tracked, and the writes say so.
	if r.cfg.Detect == stablewrite.ByTracking && (r.cfg.In == mutator.Thread || r.cfg.Mutator == mutator.None) {
		if r.untrack, err = stablewrite.Track(r.m.Buffer()); err != nil {
			return err
		}
	}
	if r.cfg.Gate {
		// The gate is for one submission at a time.
		opts.SegmentBytes = r.cfg.Size
		opts.Pool = stablewrite.NewPool(4 * r.cfg.Size) // whose largest piece for a copy, a power of two, holds a write of any size
		if r.gate, err = newGate(r.cfg, direct, geo, r.m); err != nil {
			return err
		}
		plain := r.file
		opts.RequireDirect = false // settled by the file itself
		if r.file, err = stablewrite.NewDevice(r.gate, opts); err != nil {
			return errors.Join(err, r.gate.Close(), plain.Close())
		}
		if err := plain.Close(); err != nil {
			return err
		}
	}
	r.w = stablewrite.Write{Buf: r.m.Buffer(), Off: r.cfg.Offset, Sums: make([]uint32, crcguard.Blocks(r.cfg.Size))}
	return nil
}

// openFile opens target for the strategy; with O_DIRECT only if direct.
func openFile(target *os.File, direct bool, opts stablewrite.Options) (*stablewrite.File, error) {
	if direct || !opts.Strategy.Direct() {
		return stablewrite.New(target, opts)
	}
	d, err := scratch.OpenCached(target)
	if err != nil {
		return nil, err
	}
	f, err := stablewrite.NewDevice(d, opts)
	if err != nil {
		d.Close()
	}
	return f, err
}

// close ends everything. What cause says already is not said again.
func (r *race) close(cause error) (err error) {
	if r.file != nil {
		// Close returns the error of a failed Sync again.
		if closed := r.file.Close(); cause == nil || !errors.Is(closed, cause) {
			err = errors.Join(err, closed)
		}
	}
	if r.oracle != nil {
		err = errors.Join(err, r.oracle.f.Close())
	}
	if r.untrack != nil {
		r.untrack()
	}
	if r.m != nil {
		if died := r.m.Close(); cause == nil || !errors.Is(died, mutator.ErrDied) {
			err = errors.Join(err, died)
		}
	}
	return err
}

func (r *race) loop(ctx context.Context, progress func(record.Repro)) error {
	began := time.Now()
	planned := ctx
	if r.cfg.Duration > 0 {
		var cancel context.CancelFunc
		planned, cancel = context.WithTimeout(ctx, r.cfg.Duration)
		defer cancel()
	}
	// A hold must not outlast the race, nor a Hurry under way the buffer.
	hurried := make(chan struct{})
	forget := context.AfterFunc(planned, func() {
		defer close(hurried)
		r.m.Hurry()
	})
	defer func() {
		if !forget() {
			<-hurried
		}
	}()
	for planned.Err() == nil && !r.done() {
		if err := r.once(); err != nil {
			return err
		}
		r.rec.Seconds = time.Since(began).Seconds()
		if progress != nil {
			progress(r.rec)
		}
	}
	r.rec.Interrupted = ctx.Err() != nil && !r.done() && (r.cfg.Writes > 0 || r.cfg.Duration > 0)
	return nil
}

// done reports whether the race is over by what it has found.
func (r *race) done() bool {
	return r.cfg.Writes > 0 && r.rec.Writes >= r.cfg.Writes || r.cfg.StopAtReadError && r.rec.ReadErrors > 0
}

// once is one write and its judgement.
func (r *race) once() error {
	if err := r.m.Err(); err != nil {
		return err
	}
	r.m.BeginWrite()
	mark := r.m.Mark()
	if r.gate != nil {
		r.gate.begin()
	}
	if !r.cfg.Strategy.Sums() {
		crcguard.ChecksumBlocks(r.w.Buf, r.w.Sums)
	}
	err := r.file.Do(&r.w)
	overlapped, quiet := r.m.Overlapped(mark), r.m.Quiet(mark)
	if r.gate != nil {
		overlapped = r.gate.made > 0
	}
	r.count(overlapped)
	if err != nil {
		return r.failed(err, quiet)
	}
	r.failures = 0
	if r.cfg.Strategy.Promise().AfterSync {
		if err := r.file.Sync(); err != nil {
			return err // it is final: no later write could be judged
		}
	}
	return r.judge(quiet)
}

// judge asks the oracle about the last write. It was quiet if for certain nothing
// changed the buffer.
func (r *race) judge(quiet bool) error {
	torn, readErr, err := r.oracle.judge(r.w.Sums)
	if err != nil {
		return err
	}
	if readErr != nil {
		if err := r.doubt(quiet, readErr); err != nil {
			return err
		}
		r.rec.ReadErrors++
	}
	if r.cfg.Also != nil {
		also, err := r.cfg.Also(r.w.Sums)
		if err != nil {
			return err
		}
		torn = torn || also
	}
	if torn {
		r.rec.Torn++
	}
	return nil
}

// doubt returns an error if a read that failed speaks against the device rather
// than the writer.
func (r *race) doubt(quiet bool, readErr error) error {
	if quiet {
		return fmt.Errorf("reading back failed though nothing had changed the buffer, the device fails by itself: %w", readErr)
	}
	if _, again, err := r.oracle.judge(r.w.Sums); err == nil && again == nil {
		return fmt.Errorf("reading back failed and then did not, the device fails by itself: %w", readErr)
	}
	// The test overwrites the damage, which the program of 2011 leaves to be
	// looked at; it is not made where none was promised to be absent.
	if r.cfg.StopAtReadError && !Promised(r.rec) {
		return nil
	}
	if err := r.oracle.selfTest(); err != nil {
		return fmt.Errorf("reading back failed, and fails of what nobody changes too, the device fails by itself: %w", err)
	}
	return nil
}

func (r *race) count(overlapped bool) {
	r.rec.Writes++
	if overlapped {
		r.rec.Overlapped++
	}
	if len(r.w.Changed) > 0 {
		r.rec.Changed++
	}
	if r.w.Receipt.Resubmitted > 0 {
		r.rec.Resubmitted++
	}
	if r.w.Receipt.Tracked {
		r.rec.Tracked++
	}
}

// failed counts the errors that the race can cause, and returns the others.
func (r *race) failed(err error, quiet bool) error {
	switch {
	case r.gate != nil && r.gate.broken != nil:
		return r.gate.broken
	case isMedia(err) && quiet:
		return fmt.Errorf("a write failed though nothing had changed the buffer, the device fails by itself: %w", err)
	case errors.Is(err, stablewrite.ErrChanged), isMedia(err):
		r.rec.WriteErrors++
		if errors.Is(err, stablewrite.ErrChanged) {
			r.rec.Refused++
		}
		if !isMedia(err) {
			return nil
		}
		r.failures++
		if r.failures%testEvery == 1 && r.oracle.selfTest() != nil {
			return fmt.Errorf("a write failed, and so does one that nobody changes, the device fails by itself: %w", err)
		}
		return nil
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: make room, or name a file on another disk", err)
	}
	return err
}
