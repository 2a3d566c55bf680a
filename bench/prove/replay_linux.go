package prove

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/victim"
)

const (
	replayWrites = 20
	replayPoints = 60 // looked at for each strategy, at most
)

// replay records all that reaches the disk under writes whose buffers change, while
// another program commits every now and then. The machine that boots afterwards looks at
// the disk in the state in which a power cut at each of the commits would have left it.
//
// The mutator runs free: the recorder copies a request when it gets it, after the file
// system's checksum and before a gated change.
func (g *guest) replay(disk string) error {
	const log, replica = "/dev/vdb", "/dev/vdc"
	if g.job.Again {
		return g.replayLog(log, replica)
	}
	device, err := victim.Record(disk, log, g.victim.Disks[0])
	if err != nil {
		return err
	}
	if g.stage, err = g.victim.SetUp([]string{device}); err != nil {
		return err
	}
	// The other program has the file system committed.
	stop := repeat(10*time.Millisecond, func() error { return unix.Syncfs(int(g.stage.Target.Fd())) })
	err = g.recorded()
	if err := errors.Join(err, stop(), g.stage.Unmount(), victim.EndLog()); err != nil {
		return err
	}
	return g.in.CutPower()
}

// recorded has every strategy write, one after the other.
func (g *guest) recorded() error {
	for i, s := range g.job.Strategies {
		g.doing("%v, all that reaches the disk is recorded", s)
		if err := victim.MarkLog(s.String()); err != nil {
			return err
		}
		cfg := g.config(s, mutator.Storm)
		cfg.Offset, cfg.Writes, cfg.Duration = int64(i)*raceBytes, some(g.job.Quick, replayWrites), time.Minute
		if _, err := repro.Run(context.Background(), cfg, nil); err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
	}
	return nil
}

// replayLog brings the replica up to each commit in turn and looks at it.
func (g *guest) replayLog(log, replica string) error {
	from, err := os.Open(log)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(replica, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer to.Close()
	strategies := g.job.Strategies
	i, rec := -1, record.Prove{} // of the strategy whose writes are replayed
	say := func() error {
		if i < 0 {
			return nil
		}
		return g.say(rec)
	}
	err = victim.ReadLog(from, func(e victim.Logged) error {
		switch {
		case e.Mark != "" && i+1 < len(strategies) && e.Mark == strategies[i+1].String():
			if err := say(); err != nil {
				return err
			}
			g.in.Logged()
			i++
			rec = record.Prove{Repro: record.Repro{
				Strategy: strategies[i], Mutator: mutator.Storm, Size: raceBytes, Seed: raceSeed, System: record.SystemOf(to),
			}}
			g.doing("%s, a crash at every commit", e.Mark)
			return nil
		case e.Mark != "": // the kernel's
			return nil
		}
		if _, err := to.WriteAt(e.Data, e.Off); err != nil { // discarded bytes may stay
			return err
		}
		if !e.FUA || i < 0 || rec.Writes == some(g.job.Quick, replayPoints) {
			return nil
		}
		return g.crashHere(to, int64(i)*raceBytes, &rec)
	})
	if err == nil && i+1 < len(strategies) {
		err = fmt.Errorf("the log has %d strategies, not %d", i+1, len(strategies))
	}
	return errors.Join(err, say())
}

// crashHere looks at the replica in its present state, if the file reaches beyond the
// write at off.
func (g *guest) crashHere(replica *os.File, off int64, rec *record.Prove) error {
	if err := replica.Sync(); err != nil {
		return err
	}
	name, unmount, err := g.victim.MountCrashed(replica.Name())
	if err != nil {
		return err
	}
	return errors.Join(lookAt(name, off, rec), unmount())
}

func lookAt(name string, off int64, rec *record.Prove) error {
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil || st.Size() < off+raceBytes {
		return err
	}
	rec.Writes++
	return look(file, nil, off, rec)
}
