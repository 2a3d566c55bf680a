package repro

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// Precision asks how well a strategy detects: of the blocks of writes that were
// changed in flight, which were torn on the media before any resubmission, and
// which were resubmitted. The race is that of cfg, which has to be gated and to end
// by Writes or Duration; its strategy has to detect and to resubmit.
func Precision(ctx context.Context, cfg Config) (record.Precision, error) {
	rec := record.Precision{
		Kind: record.KindPrecision, Strategy: cfg.Strategy, Detect: cfg.Detect, Mutator: cfg.Mutator,
		HoldNS: cfg.Hold.Nanoseconds(), Seed: cfg.Seed, Size: cfg.Size,
		System: record.SystemOf(cfg.Target), Version: record.Version,
	}
	if p := cfg.Strategy.Promise(); !cfg.Gate || !cfg.Strategy.Detects() || p.Refuses || cfg.Writes == 0 && cfg.Duration == 0 {
		return rec, errors.New("the precision of detection is that of a gated race that ends, of a strategy that resubmits what it detects")
	}
	r := &race{}
	s := &sampler{armed: make([]byte, cfg.Size)}
	cfg.Landed = func(submission int) error {
		if submission > 1 {
			return nil
		}
		return s.sample(r.oracle)
	}
	r.cfg = cfg
	err := r.open()
	for began := time.Now(); err == nil && ctx.Err() == nil && !over(cfg, rec.Writes, began); {
		err = r.weigh(s, &rec)
	}
	return rec, errors.Join(err, r.close(err))
}

func over(cfg Config, writes int, began time.Time) bool {
	return cfg.Writes > 0 && writes >= cfg.Writes || cfg.Duration > 0 && time.Since(began) >= cfg.Duration
}

// sampler compares the media, after the first submission of a write, with the buffer
// before it.
type sampler struct {
	armed []byte
	torn  []bool // by block
}

// sample reads block by block: those that a layer below refuses to return are torn.
func (s *sampler) sample(o *oracle) error {
	s.torn = s.torn[:0]
	for at := 0; at < len(s.armed); at += crcguard.BlockSize {
		block := o.buf[at : at+crcguard.BlockSize]
		_, err := o.f.ReadAt(block, o.off+int64(at))
		if err != nil && !isMedia(err) {
			return fmt.Errorf("sampling the media: %w", err)
		}
		s.torn = append(s.torn, err != nil || !bytes.Equal(block, s.armed[at:at+crcguard.BlockSize]))
	}
	return nil
}

// weigh makes one write and counts its blocks, if it was changed in flight.
func (r *race) weigh(s *sampler, rec *record.Precision) error {
	if err := r.m.Err(); err != nil {
		return err
	}
	r.m.BeginWrite()
	copy(s.armed, r.w.Buf)
	r.gate.begin()
	if err := r.file.Do(&r.w); err != nil {
		return err
	}
	if r.gate.made == 0 {
		return nil
	}
	rec.Writes++
	rec.Blocks += len(s.torn)
	for i, torn := range s.torn {
		resubmitted := slices.ContainsFunc(r.w.Changed, func(e stablewrite.Extent) bool {
			at := i * crcguard.BlockSize
			return at >= e.Off && at < e.Off+e.Len
		})
		if torn {
			rec.Torn++
		}
		if resubmitted {
			rec.Resubmitted++
		}
		if torn && resubmitted {
			rec.Both++
		}
	}
	return nil
}
