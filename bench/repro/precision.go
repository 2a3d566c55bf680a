package repro

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// Precision measures how well a strategy detects changes. It counts, of the blocks of
// writes that changed in flight, which were torn on the media before any resubmission,
// and which were resubmitted. It runs the race of cfg, which must be gated and end by
// Writes or Duration; the strategy must detect and resubmit.
func Precision(ctx context.Context, cfg Config) (record.Precision, error) {
	rec := record.Precision{
		Kind: record.KindPrecision, Strategy: cfg.Strategy, Detect: cfg.Detect, Mutator: cfg.Mutator,
		HoldNS: cfg.Hold.Nanoseconds(), Seed: cfg.Seed, Size: cfg.Size,
		System: record.SystemOf(cfg.Target), Version: record.Version,
	}
	if p := cfg.Strategy.Promise(); !cfg.Gate || !cfg.Strategy.Detects() || p.Refuses || cfg.Writes == 0 && cfg.Duration == 0 {
		return rec, errors.New("measuring the precision of detection needs a gated race with an end, and a strategy that resubmits")
	}
	r := &race{}
	s := &sampler{before: make([]byte, cfg.Size)}
	cfg.Landed = func(submission int) error {
		if submission > 1 {
			return nil
		}
		s.torn = s.torn[:0]
		return ReadBlocks(r.oracle.f, cfg.Offset, int64(cfg.Size), func(p []byte, at int64) error {
			s.torn = append(s.torn, !bytes.Equal(p, s.before[at-cfg.Offset:][:crcguard.BlockSize]))
			return nil
		})
	}
	r.cfg = cfg
	err := r.open()
	for began := time.Now(); err == nil && ctx.Err() == nil; {
		if cfg.Writes > 0 && rec.Writes >= cfg.Writes || cfg.Duration > 0 && time.Since(began) >= cfg.Duration {
			break
		}
		err = r.weigh(s, &rec)
	}
	return rec, errors.Join(err, r.close(err))
}

// sampler compares the media after the first submission of a write with the buffer
// before it.
type sampler struct {
	before []byte
	torn   []bool // by block; one that a layer below refuses to return is torn
}

// weigh makes one write and counts its blocks, if it changed in flight.
func (r *race) weigh(s *sampler, rec *record.Precision) error {
	if err := r.begin(); err != nil {
		return err
	}
	copy(s.before, r.w.Buf)
	if err := r.file.Do(&r.w); err != nil {
		return err
	}
	if r.gate.made == 0 {
		return nil
	}
	rec.Writes++
	rec.Blocks += len(s.torn)
	for i, torn := range s.torn {
		at := i * crcguard.BlockSize
		resubmitted := slices.ContainsFunc(r.w.Changed, func(e stablewrite.Extent) bool { return at >= e.Off && at < e.Off+e.Len })
		tally(torn, &rec.Torn)
		tally(resubmitted, &rec.Resubmitted)
		tally(torn && resubmitted, &rec.Both)
	}
	return nil
}

// tally counts an event in n if it happened.
func tally(happened bool, n *int) {
	if happened {
		*n++
	}
}
