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
	// Buffered writes through the page cache, whatever the strategy: with Raw, the
	// negative control.
	Buffered bool
	// Indirect allows files that the kernel is known not to write directly. Without it
	// they are an error, because the race would show nothing.
	Indirect bool
	// Mirror: a mirror is below Target, so that a read that failed on one leg may succeed
	// on another. Elsewhere that shows a faulty device, and is an error.
	Mirror  bool
	Mutator mutator.Kind
	In      mutator.Where
	Gate    bool // all changes are made in flight
	Hold    time.Duration
	Seed    uint64
	Size    int // of each write, a multiple of 4096

	// The race ends after Duration or Writes, whichever comes first, if they are not
	// zero; when the context ends; and, with StopAtReadError, at the first read that
	// fails.
	Duration        time.Duration
	Writes          int
	StopAtReadError bool

	// Also, if not nil, is called after every write that succeeded. It reads the media in
	// another way (a leg of a mirror, for instance), and reports whether they differ from
	// the block sums of the receipt.
	Also func(sums []uint32) (torn bool, err error)
	// Landed, if not nil, is called by a gated race when a submission has completed; the
	// first submission of a write is 1. Its error ends the race.
	Landed func(submission int) error
}

// DefaultHold and DefaultGatedHold are how long ABA leaves a block changed by default.
// A free-running change tears data unseen if it begins and ends between the two looks of
// the writer. On the disks of virtual machines, where a write of 1 MiB takes half a
// millisecond, 200 us hits most often. A longer hold of a gated change covers more of the
// transfer.
const (
	DefaultHold      = 200 * time.Microsecond
	DefaultGatedHold = time.Millisecond
)

// testEvery is how many writes may fail in a row before a test of the device with memory
// that nobody changes. A sound device that needs stable pages may refuse every changed
// write; a device that vanished fails every write.
const testEvery = 100

// Run runs the race and returns its counts, also if it fails. Torn writes are not an
// error. Progress, if not nil, is called after every write.
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

// race is a race that runs.
type race struct {
	cfg      Config
	m        *mutator.Mutator
	gate     *gate // nil if free-running
	file     *stablewrite.File
	oracle   *Oracle
	w        stablewrite.Write
	failures int    // writes in a row
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
	if align := int64(max(4096, geo.OffsetAlign)); r.cfg.Offset%align != 0 || r.cfg.Size%geo.OffsetAlign != 0 {
		return fmt.Errorf("writes of %d bytes at %d: this device takes multiples of %d at multiples of %d", r.cfg.Size, r.cfg.Offset, geo.OffsetAlign, align)
	}
	if r.oracle, err = NewOracle(r.cfg.Target, r.cfg.Size); err != nil {
		return err
	}
	if r.m, err = mutator.Start(mutator.Config{
		Kind: r.cfg.Mutator, In: r.cfg.In, Gated: r.cfg.Gate, Hold: r.cfg.Hold, Seed: r.cfg.Seed, Size: r.cfg.Size,
	}); err != nil {
		return err
	}
	// The kernel cannot track the stores of another process for this one. Then the buffer is
	// not tracked, and the receipts say so.
	if r.cfg.Detect == stablewrite.ByTracking && (r.cfg.In == mutator.Thread || r.cfg.Mutator == mutator.None) {
		if r.untrack, err = stablewrite.Track(r.m.Buffer()); err != nil {
			return err
		}
	}
	if r.cfg.Gate {
		if err := r.openGate(direct, opts); err != nil {
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

// close closes everything, and leaves out errors that are in cause.
func (r *race) close(cause error) (err error) {
	if r.file != nil {
		// Close repeats the error of a failed Sync.
		if closed := r.file.Close(); cause == nil || !errors.Is(closed, cause) {
			err = errors.Join(err, closed)
		}
	}
	if r.oracle != nil {
		err = errors.Join(err, r.oracle.Close())
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
	// Hurry, so that a hold does not outlast the race; and wait for Hurry, which uses
	// memory that close unmaps.
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

// done reports whether the race has ended by its counts.
func (r *race) done() bool {
	return r.cfg.Writes > 0 && r.rec.Writes >= r.cfg.Writes || r.cfg.StopAtReadError && r.rec.ReadErrors > 0
}

// begin prepares the buffer and the gate for a write.
func (r *race) begin() error {
	if err := r.m.Err(); err != nil {
		return err
	}
	r.m.BeginWrite()
	if r.gate != nil {
		r.gate.made, r.gate.calls = 0, 0
	}
	return nil
}

// once makes one write and judges it.
func (r *race) once() error {
	if err := r.begin(); err != nil {
		return err
	}
	mark := r.m.Mark()
	if !r.cfg.Strategy.Sums() {
		crcguard.ChecksumBlocks(r.w.Buf, r.w.Sums)
	}
	err := r.file.Do(&r.w)
	overlapped, quiet := r.m.Overlapped(mark), r.m.Quiet(mark)
	if r.gate != nil {
		overlapped = r.gate.made > 0
	}
	r.rec.Writes++
	tally(overlapped, &r.rec.Overlapped)
	tally(len(r.w.Changed) > 0, &r.rec.Changed)
	tally(r.w.Receipt.Resubmitted > 0, &r.rec.Resubmitted)
	tally(r.w.Receipt.Tracked, &r.rec.Tracked)
	if err != nil {
		return r.failed(err, quiet)
	}
	r.failures = 0
	if r.cfg.Strategy.Promise().AfterSync {
		if err := r.file.Sync(); err != nil {
			return err // no later write could be judged
		}
	}
	return r.judge(quiet)
}

// judge asks the oracle about the last write. quiet means that certainly nothing
// changed the buffer.
func (r *race) judge(quiet bool) error {
	torn, readErr, err := r.oracle.Judge(r.cfg.Offset, r.w.Sums)
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
	tally(torn, &r.rec.Torn)
	return nil
}

// doubt returns an error if the device, rather than the race, made a read fail.
func (r *race) doubt(quiet bool, readErr error) error {
	if quiet {
		return fmt.Errorf("the device fails by itself: a read failed though nothing had changed the buffer: %w", readErr)
	}
	if _, again, err := r.oracle.Judge(r.cfg.Offset, r.w.Sums); !r.cfg.Mirror && err == nil && again == nil {
		return fmt.Errorf("the device fails by itself: a read failed, and then succeeded: %w", readErr)
	}
	// The self-test overwrites the damage. The program of 2011 leaves it to be looked
	// at, so do not test where damage was to be expected.
	if r.cfg.StopAtReadError && !Promised(r.rec) {
		return nil
	}
	if err := r.oracle.selfTest(r.cfg.Offset); err != nil {
		return fmt.Errorf("the device fails by itself: reading fails also with memory that nobody changes: %w", err)
	}
	return nil
}

// failed counts an error that the race can cause, and returns any other.
func (r *race) failed(err error, quiet bool) error {
	refused, media := errors.Is(err, stablewrite.ErrChanged), IsMedia(err)
	switch {
	case r.gate != nil && r.gate.broken != nil:
		return r.gate.broken
	case media && quiet:
		return fmt.Errorf("the device fails by itself: a write failed though nothing had changed the buffer: %w", err)
	case !refused && !media && errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: make room, or name a file on another disk", err)
	case !refused && !media:
		return err
	}
	r.rec.WriteErrors++
	tally(refused, &r.rec.Refused)
	if !media {
		return nil
	}
	if r.failures++; r.failures%testEvery == 1 && r.oracle.selfTest(r.cfg.Offset) != nil {
		return fmt.Errorf("the device fails by itself: a write failed, and so does a write of memory that nobody changes: %w", err)
	}
	return nil
}
