package prove

import (
	"context"
	"errors"
	"fmt"
	"os"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// crashes is how many writes of each strategy are cut short. The smallest victim, of
// 64 MiB, has room for those of every strategy.
const crashes = 18

// errCrash ends a writer when its first submission has landed.
var errCrash = errors.New("here the writer ends")

// crash ends writers whose buffer changed in flight when their first submission has
// landed. Another program then syncs, and after that the power fails, once. In the machine
// that boots afterwards crash reads what the writers left behind. A write of Bounce is
// complete with its first submission; one of Verify may have needed a resubmission.
func (g *guest) crash() error {
	if g.job.Again {
		return g.leftBehind()
	}
	if err := g.old(); err != nil {
		return err
	}
	for i, s := range g.job.Strategies {
		for n := range crashes {
			g.doing("%v, writer %d of %d that ends in a write", s, n+1, crashes)
			cfg := g.config(s, mutator.Storm)
			cfg.Offset, cfg.Gate, cfg.Seed, cfg.Writes = place(i, n), true, raceSeed+uint64(n), 1
			cfg.Landed = func(int) error { return errCrash }
			cut, err := repro.Run(context.Background(), cfg, nil)
			switch {
			case err == nil:
				return fmt.Errorf("a write by %v: it went on", s)
			case !errors.Is(err, errCrash):
				return fmt.Errorf("a write by %v: %w", s, err)
			case cut.Overlapped != 1:
				return fmt.Errorf("a write by %v: nothing changed in flight", s)
			}
		}
	}
	if err := g.stage.Target.Sync(); err != nil { // the other program
		return err
	}
	return g.in.CutPower()
}

// place is the offset of the nth write of a strategy.
func place(strategy, n int) int64 { return int64(strategy*crashes+n) * raceBytes }

// old gives every place that is written later an old content, durably.
func (g *guest) old() error {
	f, err := stablewrite.New(g.stage.Target, stablewrite.Options{Strategy: stablewrite.Bounce})
	if err != nil {
		return err
	}
	_, err = f.WriteAt(stablewrite.AlignedBuffer(int(place(len(g.job.Strategies), 0))), 0)
	return errors.Join(err, f.Sync(), f.Close())
}

// leftBehind counts, for each strategy, the writes that have a block which cannot be read,
// or is not the same on every leg.
func (g *guest) leftBehind() error {
	for i, s := range g.job.Strategies {
		rec := record.Prove{Repro: record.Repro{
			Strategy: s, Mutator: mutator.Storm, Gate: true, Size: raceBytes, Seed: raceSeed,
			Writes: crashes, Overlapped: crashes,
		}}
		for n := range crashes {
			if err := look(g.stage.Target, g.stage.Below, place(i, n), &rec); err != nil {
				return err
			}
		}
		if err := g.say(rec); err != nil {
			return err
		}
	}
	return nil
}

// look reads a write at off directly, and counts it in rec if a block cannot be read, or is
// not the same on every leg.
func look(target *os.File, legs []*os.File, off int64, rec *record.Prove) error {
	unreadable, diverged := 0, 0
	err := readBlocks(target, off, raceBytes, func(p []byte, at int64) error {
		if p == nil {
			unreadable = 1
			return nil
		}
		sum := crcguard.Checksum(p)
		for _, leg := range legs {
			if _, err := leg.ReadAt(p, at); err != nil {
				return err
			}
			if crcguard.Checksum(p) != sum {
				diverged = 1
			}
		}
		return nil
	})
	rec.ReadErrors += unreadable
	rec.Diverged += diverged
	rec.Torn += max(unreadable, diverged)
	return err
}
