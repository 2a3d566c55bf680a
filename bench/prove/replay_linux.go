package prove

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
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

// replay records all that reaches the disk under writes whose buffers change,
// while another program commits every now and then. The machine that boots
// afterwards looks at the disk as it would have been after a power cut at each of
// the commits.
//
// The mutator runs free: the recorder takes its copy when a request is handed to
// it, which is after the file system's checksum and before a gated change.
func (g *guest) replay(disk string) error {
	const log, replica = "/dev/vdb", "/dev/vdc"
	if g.job.Again {
		return g.replayLog(log, replica)
	}
	recorder, err := victim.Record(disk, log)
	if err != nil {
		return err
	}
	if g.stage, err = g.victim.SetUp([]string{recorder.Device}); err != nil {
		return err
	}
	stop := g.commit()
	err = g.recorded(recorder)
	if err := errors.Join(err, stop(), g.stage.Unmount(), recorder.Close()); err != nil {
		return err
	}
	g.in.CutPower()
	return nil
}

// recorded has every strategy write, one after the other.
func (g *guest) recorded(recorder *victim.Recorder) error {
	for i, s := range g.job.Strategies {
		if err := g.doing("%v, all that reaches the disk is recorded", s); err != nil {
			return err
		}
		if err := recorder.Mark(s.String()); err != nil {
			return err
		}
		_, err := repro.Run(context.Background(), repro.Config{
			Target: g.stage.Target, Offset: int64(i) * raceBytes, Strategy: s, Indirect: true,
			Mutator: mutator.Storm, Seed: raceSeed, Size: raceBytes, Writes: some(g.job.Quick, replayWrites), Duration: time.Minute,
		}, nil)
		if err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
	}
	return nil
}

// commit is the other program: it has the file system committed, over and over,
// until stop.
func (g *guest) commit() (stop func() error) {
	var end atomic.Bool
	ended := make(chan error)
	go func() {
		var err error
		for !end.Load() && err == nil {
			err = unix.Syncfs(int(g.stage.Target.Fd()))
			time.Sleep(10 * time.Millisecond)
		}
		ended <- err
	}()
	return func() error {
		end.Store(true)
		return <-ended
	}
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
	var rec *record.Prove // of the strategy whose writes are being replayed
	say := func() error {
		if rec == nil {
			return nil
		}
		return g.say(*rec)
	}
	at := -1
	err = victim.ReadLog(from, func(e victim.Logged) error {
		if e.Mark != "" {
			next := at + 1
			if next >= len(g.job.Strategies) || e.Mark != g.job.Strategies[next].String() {
				return nil // the kernel's own
			}
			if err := say(); err != nil {
				return err
			}
			at = next
			g.in.Log.Lines()
			rec = &record.Prove{Repro: record.Repro{
				Strategy: g.job.Strategies[at], Mutator: mutator.Storm, Size: raceBytes,
				Seed: raceSeed, System: record.SystemOf(to),
			}}
			return g.doing("%v, a crash at every commit", rec.Strategy)
		}
		if err := apply(to, e); err != nil {
			return err
		}
		if !e.FUA || rec == nil || rec.Writes == some(g.job.Quick, replayPoints) {
			return nil
		}
		return g.crashHere(to, int64(at)*raceBytes, rec)
	})
	if err == nil && at != len(g.job.Strategies)-1 {
		err = fmt.Errorf("the log has %d strategies, not %d", at+1, len(g.job.Strategies))
	}
	return errors.Join(err, say())
}

// apply does to a disk what was logged.
func apply(to *os.File, e victim.Logged) error {
	if e.Zero > 0 {
		return nil // what is discarded may as well stay
	}
	_, err := to.WriteAt(e.Data, e.Off)
	return err
}

// crashHere looks at the replica as it is now.
func (g *guest) crashHere(replica *os.File, off int64, rec *record.Prove) error {
	if err := replica.Sync(); err != nil {
		return err
	}
	name, unmount, err := g.victim.MountCrashed(replica.Name())
	if err != nil {
		return err
	}
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) { // not yet
		return unmount()
	}
	if err != nil {
		return errors.Join(err, unmount())
	}
	st, err := file.Stat()
	if err != nil || st.Size() < off+raceBytes { // nor all of it
		return errors.Join(err, file.Close(), unmount())
	}
	rec.Writes++
	unreadable, _, err := look(file, nil, off, raceBytes)
	if unreadable {
		rec.ReadErrors++
		rec.Torn++
	}
	return errors.Join(err, file.Close(), unmount())
}
