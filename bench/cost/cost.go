package cost

import (
	"context"
	"fmt"
	"slices"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Run times every cell and hands each one to emit, those that are compared with
// each other together. The first round, round 0, warms up and is not handed on.
// Progress, if not nil, is called before every cell. When ctx ends the cell under
// way is dropped.
func Run(ctx context.Context, p Plan, progress func(), emit func(record.Cost) error) error {
	p, err := p.withDefaults()
	if err != nil {
		return err
	}
	if err := p.Validate(); err != nil {
		return err
	}
	p, left := p.possible()
	for _, note := range left {
		p.Note(note)
	}
	r, err := newRun(p)
	if err != nil {
		return err
	}
	defer r.contexts.close()
	defer r.mem.close()
	if progress == nil {
		progress = func() {}
	}
	for _, g := range p.groups() {
		if err := r.group(ctx, g, progress, emit); err != nil {
			return err
		}
	}
	return nil
}

// run is a Plan under way.
type run struct {
	Plan
	region  int64
	mem     *memory
	system  *record.System
	absent  map[record.Variant]bool // peers that failed
	plain   int64                   // bytes that raw wrote in its last cell
	written stablewrite.Directness  // Target

	contexts contexts
}

func newRun(p Plan) (*run, error) {
	region, err := p.region()
	if err != nil {
		return nil, err
	}
	r := &run{Plan: p, region: region, absent: map[record.Variant]bool{}, system: record.SystemOf(p.Target)}
	if p.Target != nil {
		if err := r.fill(); err != nil {
			return nil, fmt.Errorf("filling %d MiB to overwrite: %w", region>>20, err)
		}
	}
	r.mem, err = newMemory(p.largest(), p.Rounds+2, p.Cold, slices.Contains(p.Variants, record.Huge))
	return r, err
}

// fill writes the region once: the first write of a block allocates it, which
// is not what is being timed.
func (r *run) fill() error {
	f, err := stablewrite.New(r.Target, stablewrite.Options{Strategy: stablewrite.Raw, RequireDirect: true})
	if err != nil {
		return err
	}
	defer f.Close()
	r.written = f.Geometry().Direct
	p := pattern(1 << 20)
	for off := int64(0); off < r.region; off += int64(len(p)) {
		if _, err := f.WriteAt(p[:min(int64(len(p)), r.region-off)], off); err != nil {
			return err
		}
	}
	return f.Sync()
}

// group times all writers of g in every round, each round beginning with
// another. Files are opened anew in each: where the memory of a Pool lies makes a
// File faster or slower for as long as it is open.
func (r *run) group(ctx context.Context, g group, progress func(), emit func(record.Cost) error) error {
	writers := r.writers(g)
	r.plain = 0
	hit := make([]int64, len(writers))
	for round := range r.Rounds + 1 {
		for i := range writers {
			at := (i + round + len(writers) - 1) % len(writers) // round 1 begins with the first
			w := writers[at]
			if err := ctx.Err(); err != nil {
				return err
			}
			progress()
			rec, ok, err := r.once(ctx, g, w, round)
			if err != nil {
				return err
			}
			if !ok || round == 0 {
				continue
			}
			hit[at] += rec.Overlapped
			r.describe(&rec, g, w, round)
			if err := emit(rec); err != nil {
				return err
			}
		}
	}
	for i, w := range writers {
		if g.mutated > 0 && hit[i] == 0 {
			r.Note(fmt.Sprintf("%v, %d bytes, depth %d: no write was changed: for a share of %.3g%% there were too few", w, g.size, g.depth, 100*g.mutated))
		}
	}
	return nil
}

// once times one cell; ok is false of a peer that fails, or did before.
func (r *run) once(ctx context.Context, g group, w writer, round int) (rec record.Cost, ok bool, err error) {
	if r.absent[w.variant] {
		return rec, false, nil
	}
	b, err := r.open(g, w)
	if err != nil {
		return rec, false, failed(g, w, err)
	}
	defer b.close()
	rec, err = b.time(ctx, round)
	switch {
	case ctx.Err() != nil:
		return rec, false, ctx.Err()
	case err != nil && w.variant.Peer():
		r.absent[w.variant] = true
		r.Note(fmt.Sprintf("%v failed and is left out from here on: %v", w, err))
		return rec, false, nil
	case err != nil:
		return rec, false, failed(g, w, err)
	}
	if w == (writer{stablewrite.Raw, ""}) {
		r.plain = rec.Bytes
	}
	return rec, true, nil
}

func failed(g group, w writer, err error) error {
	return fmt.Errorf("%v, %d bytes, depth %d: %w", w, g.size, g.depth, err)
}

// describe says what rec is of.
func (r *run) describe(rec *record.Cost, g group, w writer, round int) {
	rec.Kind, rec.Version, rec.System = record.KindCost, record.Version, r.system
	rec.Strategy, rec.Variant, rec.Target = w.strategy, w.variant, r.On
	rec.Size, rec.Depth, rec.Mutated, rec.TwoSteps, rec.Cold, rec.Round = g.size, g.depth, g.mutated, g.twoSteps, r.Cold, round
	if g.mutated > 0 {
		rec.ChangedBlocks = r.ChangedBlocks
	}
	if w.variant.Peer() {
		rec.Written = r.written
	}
	if r.On == record.OnDelay {
		rec.DelayLatencyNS, rec.DelayBytesPerSecond = r.Latency.Nanoseconds(), r.Bandwidth
	}
	if r.On == record.OnFile {
		rec.Extents = extents(r.Target)
	}
}

// bench is a writer in a group.
type bench interface {
	// time is one cell.
	time(ctx context.Context, round int) (record.Cost, error)
	close()
}

// open readies w for g.
func (r *run) open(g group, w writer) (bench, error) {
	if w.variant.Peer() {
		return newPeer(r, g, w.variant), nil
	}
	return newCell(r, g, w)
}
