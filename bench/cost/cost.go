package cost

import (
	"context"
	"fmt"
	"slices"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Run times every cell of p and calls emit with its Record. Cells that are compared with
// each other come together. Run calls progress before every cell. The first round warms up
// and has no Records. When ctx ends, the cell under way has none either.
func Run(ctx context.Context, p Plan, progress func(), emit func(record.Cost) error) error {
	p, err := p.complete()
	if err != nil {
		return err
	}
	r := &run{Plan: p, absent: map[record.Variant]bool{}, system: record.SystemOf(p.Target), contexts: make(contexts, 2*maxDepth)}
	if r.region, err = p.region(); err != nil {
		return err
	}
	if p.Target != nil {
		if err := r.fill(); err != nil {
			return fmt.Errorf("filling %d MiB of the target: %w", r.region>>20, err)
		}
	}
	if r.mem, err = newMemory(p.largest(), p.Rounds+2, p.Cold, slices.Contains(p.Variants, record.Huge)); err != nil {
		return err
	}
	defer r.mem.close()
	defer r.contexts.close()
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
	region int64
	mem    *memory
	system *record.System
	absent map[record.Variant]bool // peers that failed
	plain  int64                   // bytes of the last cell of raw in this group
	next   []int                   // of each lane in this group: the index of its next buffer

	geometry stablewrite.Geometry // of Target, if there is one
	contexts
}

// fill writes the region once: the first write of a block allocates it, which takes time.
func (r *run) fill() error {
	f, err := stablewrite.New(r.Target, stablewrite.Options{Strategy: stablewrite.Raw, RequireDirect: true})
	if err != nil {
		return err
	}
	defer f.Close()
	r.geometry = f.Geometry()
	p := pattern(1 << 20)
	for off := int64(0); off < r.region; off += int64(len(p)) {
		if _, err := f.WriteAt(p[:min(int64(len(p)), r.region-off)], off); err != nil {
			return err
		}
	}
	return f.Sync()
}

// group times all writers of g in every round. Each round begins with another writer.
// Files are opened anew for each cell: the place of a Pool's memory makes a File faster or
// slower until it is closed.
func (r *run) group(ctx context.Context, g group, progress func(), emit func(record.Cost) error) error {
	writers := r.writers(g)
	r.plain, r.next = 0, make([]int, g.depth)
	overlapped := make([]int64, len(writers))
	for round := range r.Rounds + 1 {
		for i := range writers {
			at := (i + round + len(writers) - 1) % len(writers) // round 1 begins with the first
			w := writers[at]
			if err := ctx.Err(); err != nil {
				return err
			}
			progress()
			if r.absent[w.variant] {
				continue
			}
			rec, err := r.cell(ctx, g, w, round)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && w.variant.Peer():
				r.absent[w.variant] = true
				r.Note(fmt.Sprintf("%v failed and is left out from here on: %v", w, err))
				continue
			case err != nil:
				return fmt.Errorf("%v, %d bytes, depth %d: %w", w, g.size, g.depth, err)
			}
			if w == (writer{stablewrite.Raw, ""}) {
				r.plain = rec.Bytes
			}
			if round == 0 {
				continue
			}
			overlapped[at] += rec.Overlapped
			if err := emit(rec); err != nil {
				return err
			}
		}
	}
	for i, w := range writers {
		if g.mutated > 0 && overlapped[i] == 0 {
			r.Note(fmt.Sprintf("%v, %d bytes, depth %d: no write was changed: for a share of %.3g%% there were too few", w, g.size, g.depth, 100*g.mutated))
		}
	}
	return nil
}

// cell times a cell and makes its Record.
func (r *run) cell(ctx context.Context, g group, w writer, round int) (rec record.Cost, err error) {
	if w.variant.Peer() {
		rec, err = r.peer(ctx, g, w.variant)
		rec.Written = r.geometry.Direct
	} else {
		var c *cell
		c, err = newCell(r, g, w)
		defer c.close()
		if err != nil {
			return rec, err
		}
		rec, err = c.time(ctx, round)
	}
	rec.Kind, rec.Version, rec.System = record.KindCost, record.Version, r.system
	rec.Strategy, rec.Variant, rec.Target = w.strategy, w.variant, r.On
	rec.Size, rec.Depth, rec.Mutated, rec.TwoSteps, rec.Cold, rec.Round = g.size, g.depth, g.mutated, g.twoSteps, r.Cold, round
	if g.mutated > 0 {
		rec.ChangedBlocks = r.ChangedBlocks
	}
	if r.On == record.OnDelay {
		rec.DelayLatencyNS, rec.DelayBytesPerSecond = r.Latency.Nanoseconds(), r.Bandwidth
	}
	if r.On == record.OnFile {
		rec.Extents = extents(r.Target)
	}
	return rec, err
}
