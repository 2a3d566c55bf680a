package prove

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

const (
	faultSlots  = 16
	faultBytes  = 256 << 10
	faultWrites = 240
)

// faults writes while writes below fail every now and then. At the end it compares the
// media with all that the writer was told: receipts, and, of writes that failed, the bytes
// that are good and those that are spoiled.
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

func (g *guest) fault(s stablewrite.Strategy, k mutator.Kind) error {
	g.doing("%v against %v, with writes failing below", s, k)
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

	g.in.Logged()
	rec := record.Prove{Repro: record.Repro{
		Strategy: s, Mutator: k, Size: faultBytes, Seed: raceSeed, Written: f.Geometry().Direct,
		System: record.SystemOf(g.stage.Target),
	}}
	began, failing := time.Now(), false
	stop := repeat(20*time.Millisecond, func() error {
		failing = !failing
		return g.stage.Fail(failing)
	})
	told, err := writeAll(f, m, some(g.job.Quick, faultWrites), &rec)
	if err := errors.Join(err, stop(), g.stage.Fail(false)); err != nil {
		return err
	}
	if s.Promise().AfterSync {
		if err := f.Sync(); err != nil { // then nothing is promised
			return fmt.Errorf("a failed Sync: %w", err)
		}
	}
	rec.Seconds = time.Since(began).Seconds()
	torn := map[int64]bool{} // slots
	err = readBlocks(g.stage.Target, 0, faultSlots*faultBytes, func(p []byte, at int64) error {
		if sum, known := told[at]; known && (p == nil || crcguard.Checksum(p) != sum) {
			torn[at/faultBytes] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	rec.Torn = len(torn)
	return g.say(rec)
}

// repeat calls f over and over, with a pause after each call, until stop or an error.
func repeat(pause time.Duration, f func() error) (stop func() error) {
	var end atomic.Bool
	ended := make(chan error)
	go func() {
		var err error
		for !end.Load() && err == nil {
			err = f()
			time.Sleep(pause)
		}
		ended <- err
	}()
	return func() error {
		end.Store(true)
		return <-ended
	}
}

// writeAll writes to the slots in turn, counts in rec, and returns the sums that the writer
// was told, by the offsets of their blocks. A block that is spoiled has none.
func writeAll(f *stablewrite.File, m *mutator.Mutator, writes int, rec *record.Prove) (told map[int64]uint32, err error) {
	told = map[int64]uint32{}
	w := stablewrite.Write{Buf: m.Buffer(), Sums: make([]uint32, faultBytes/crcguard.BlockSize)}
	for i := range writes {
		m.BeginWrite()
		w.Off = int64(i%faultSlots) * faultBytes
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
		for b, sum := range w.Sums {
			switch at := b * crcguard.BlockSize; {
			case at < good:
				told[w.Off+int64(at)] = sum
			case at < good+spoiled:
				delete(told, w.Off+int64(at))
			}
		}
	}
	return told, nil
}
