package prove

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

// sameBase reads two different blocks into the same memory, by two iovecs with one base:
// the first fault in the mail of 2011. The data of the first block is gone when its
// checksum is computed. The media are sound even if this read fails: a plain read shows
// that.
func (g *guest) sameBase() error {
	const reads, block = 100, 4096
	p := stablewrite.AlignedBuffer(2 * block)
	for i := range p {
		p[i] = byte(1 + i/block)
	}
	f, err := stablewrite.New(g.stage.Target, stablewrite.Options{Strategy: stablewrite.Raw})
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt(p, 0); err != nil {
		return err
	}
	direct, err := scratch.Reopen(g.stage.Target, os.O_RDONLY, true)
	if err != nil {
		return err
	}
	defer direct.Close()
	g.in.Logged()
	rec := record.Prove{Repro: record.Repro{Strategy: stablewrite.Raw, Size: 2 * block, Written: f.Geometry().Direct}}
	same := [][]byte{p[:block], p[:block]}
	for range reads {
		_, err := unix.Preadv(int(direct.Fd()), same, 0)
		rec.Writes++
		if err == nil {
			continue
		}
		if !repro.IsMedia(err) {
			return fmt.Errorf("preadv: %w", err)
		}
		rec.ReadErrors++
		if _, err := direct.ReadAt(stablewrite.AlignedBuffer(2*block), 0); err != nil {
			return fmt.Errorf("a plain read fails, too: %w", err)
		}
	}
	return g.say(rec)
}
