package prove

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/scratch"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

const (
	faultSlots  = 16
	faultBytes  = 256 << 10
	faultWrites = 240
)

// faults writes while writes below fail every now and then, and holds the media
// at the end against all that the writer was told: receipts, and of writes that
// failed which bytes are good and which are spoiled.
func (g *guest) faults() error {
	for _, s := range g.job.Strategies {
		for _, k := range []mutator.Kind{mutator.None, mutator.Storm} {
			if k != mutator.None && !s.Promise().Holds(k.Restores(), false) || s.Promise().Refuses {
				continue
			}
			if err := g.fault(s, k); err != nil {
				return fmt.Errorf("%v against %v: %w", s, k, err)
			}
		}
	}
	return nil
}

// block is what the writer was told of a block.
type block struct {
	known bool
	sum   uint32
}

func (g *guest) fault(s stablewrite.Strategy, k mutator.Kind) error {
	if err := g.doing("%v against %v, with writes failing below", s, k); err != nil {
		return err
	}
	m, err := mutator.Start(mutator.Config{Kind: k, Seed: raceSeed, Size: faultBytes})
	if err != nil {
		return err
	}
	defer m.Close()
	f, err := stablewrite.New(g.stage.Target, stablewrite.Options{Strategy: s})
	if err != nil {
		return err
	}
	defer f.Close()

	g.in.Log.Lines()
	rec := record.Prove{Repro: record.Repro{
		Strategy: s, Mutator: k, Size: faultBytes, Seed: raceSeed, Written: f.Geometry().Direct,
		System: record.SystemOf(g.stage.Target),
	}}
	began := time.Now()
	stop := g.flicker()
	told, err := writeAll(f, m, some(g.job.Quick, faultWrites), &rec)
	err = errors.Join(err, stop())
	if err != nil {
		return err
	}
	if s.Promise().AfterSync {
		if err := f.Sync(); err != nil { // what it covers is unknown then, and nothing is promised
			return fmt.Errorf("a failed Sync: %w", err)
		}
	}
	rec.Seconds = time.Since(began).Seconds()
	for slot := range told {
		wrong, err := g.wrong(told[slot], int64(slot)*faultBytes)
		if err != nil {
			return err
		}
		if wrong {
			rec.Torn++
		}
	}
	return g.say(rec)
}

// flicker has writes fail and succeed in turns, until stop.
func (g *guest) flicker() (stop func() error) {
	var end atomic.Bool
	ended := make(chan error)
	go func() {
		var err error
		for fail := true; !end.Load() && err == nil; fail = !fail {
			err = g.stage.Fail(fail)
			time.Sleep(20 * time.Millisecond)
		}
		ended <- errors.Join(err, g.stage.Fail(false))
	}()
	return func() error {
		end.Store(true)
		return <-ended
	}
}

// writeAll writes to the slots in turn and returns what it was told of each. The
// Record counts.
func writeAll(f *stablewrite.File, m *mutator.Mutator, writes int, rec *record.Prove) (told [faultSlots][faultBytes / crcguard.BlockSize]block, err error) {
	w := stablewrite.Write{Buf: m.Buffer(), Sums: make([]uint32, faultBytes/crcguard.BlockSize)}
	for i := range writes {
		m.BeginWrite()
		slot := i % faultSlots
		w.Off = int64(slot) * faultBytes
		if rec.Strategy == stablewrite.Raw {
			crcguard.ChecksumBlocks(w.Buf, w.Sums)
		}
		mark := m.Mark()
		err := f.Do(&w)
		rec.Writes++
		if m.Overlapped(mark) {
			rec.Overlapped++
		}
		if w.Receipt.Resubmitted > 0 {
			rec.Resubmitted++
		}
		good, spoiled := faultBytes, 0
		if failed := (*stablewrite.WriteError)(nil); errors.As(err, &failed) {
			rec.WriteErrors++
			good, spoiled = failed.Good, failed.Spoiled
		} else if err != nil {
			return told, err
		}
		for b := range told[slot] {
			switch at := b * crcguard.BlockSize; {
			case at < good:
				told[slot][b] = block{known: true, sum: w.Sums[b]}
			case at < good+spoiled:
				told[slot][b] = block{}
			}
		}
	}
	return told, nil
}

// wrong reads a slot and reports whether a block is not what the writer was
// told.
func (g *guest) wrong(told [faultBytes / crcguard.BlockSize]block, off int64) (bool, error) {
	f, err := scratch.Reopen(g.stage.Target, os.O_RDONLY, true)
	if err != nil {
		return false, err
	}
	defer f.Close()
	p := stablewrite.AlignedBuffer(crcguard.BlockSize)
	for b := range told {
		if !told[b].known {
			continue
		}
		_, err := f.ReadAt(p, off+int64(b)*crcguard.BlockSize)
		if err != nil || crcguard.Checksum(p) != told[b].sum {
			return true, nil
		}
	}
	return false, nil
}
