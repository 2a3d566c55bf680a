package prove

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/scratch"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// crashes is how many writes of each strategy are cut short. For every strategy
// there is room on the smallest victim, of 64 MiB.
const crashes = 9

// errCrash ends a writer when its first submission has landed: what would follow
// does not.
var errCrash = errors.New("here the writer ends")

// crash ends writers whose buffer changed in flight when their first submission
// has landed. Another program then syncs, and after that the power fails, once.
// In the machine that boots afterwards crash looks at what the writers left
// behind. Under Bounce that submission is all there is to a write, and 0 says that
// a write which landed is sound; what Verify leaves is what it would have mended.
func (g *guest) crash() error {
	if g.job.Again {
		return g.leftBehind()
	}
	if err := g.old(); err != nil {
		return err
	}
	for i, s := range g.job.Strategies {
		for n := range crashes {
			if err := g.doing("%v, writer %d of %d that ends in a write", s, n+1, crashes); err != nil {
				return err
			}
			cut, err := repro.Run(context.Background(), repro.Config{
				Target: g.stage.Target, Offset: place(i, n), Strategy: s, Indirect: true,
				Mutator: mutator.Storm, Gate: true, Seed: raceSeed + uint64(n), Size: raceBytes, Writes: 1,
				Landed: func(int) error { return errCrash },
			}, nil)
			if err == nil {
				err = errors.New("it went on")
			}
			if !errors.Is(err, errCrash) {
				return fmt.Errorf("a write by %v: %w", s, err)
			}
			if cut.Overlapped != 1 {
				return fmt.Errorf("a write by %v: nothing changed in flight", s)
			}
		}
	}
	if err := g.stage.Target.Sync(); err != nil { // the other program
		return err
	}
	g.in.CutPower()
	return nil
}

// place is where the nth write of a strategy goes.
func place(strategy, n int) int64 { return int64(strategy*crashes+n) * raceBytes }

// old gives every place that is written later an old content, durably.
func (g *guest) old() error {
	f, err := stablewrite.New(g.stage.Target, stablewrite.Options{Strategy: stablewrite.Bounce})
	if err != nil {
		return err
	}
	p := stablewrite.AlignedBuffer(raceBytes)
	for i := range g.job.Strategies {
		for n := range crashes {
			if _, err := f.WriteAt(p, place(i, n)); err != nil {
				return errors.Join(err, f.Close())
			}
		}
	}
	return errors.Join(f.Sync(), f.Close())
}

// leftBehind says, for each strategy, in how many writes there is a block that
// cannot be read, or is not the same on every leg.
func (g *guest) leftBehind() error {
	for i, s := range g.job.Strategies {
		rec := record.Prove{Repro: record.Repro{
			Strategy: s, Mutator: mutator.Storm, Gate: true, Size: raceBytes, Seed: raceSeed,
			Writes: crashes, Overlapped: crashes,
		}}
		for n := range crashes {
			unreadable, diverged, err := look(g.stage.Target, g.stage.Below, place(i, n), raceBytes)
			if err != nil {
				return err
			}
			if unreadable {
				rec.ReadErrors++
			}
			if diverged {
				rec.Diverged++
			}
			if unreadable || diverged {
				rec.Torn++
			}
		}
		if err := g.say(rec); err != nil {
			return err
		}
	}
	return nil
}

// look reads, block by block and directly, n bytes of the target and of every leg
// from off on.
func look(target *os.File, legs []*os.File, off int64, n int64) (unreadable, diverged bool, err error) {
	f, err := scratch.Reopen(target, os.O_RDONLY, true)
	if err != nil {
		return false, false, err
	}
	defer f.Close()
	p := stablewrite.AlignedBuffer(crcguard.BlockSize)
	for at := off; at < off+n; at += crcguard.BlockSize {
		_, err := f.ReadAt(p, at)
		if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EILSEQ) {
			unreadable = true
			continue
		} else if err != nil {
			return false, false, err
		}
		sum := crcguard.Checksum(p)
		for _, leg := range legs {
			if _, err := leg.ReadAt(p, at); err != nil {
				return false, false, err
			}
			diverged = diverged || crcguard.Checksum(p) != sum
		}
	}
	return unreadable, diverged, nil
}
