package prove

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/victim"
	"stablepages/bench/watch"
	"stablepages/stablewrite"
)

// Main is the main of a machine's init. In any other process it returns at once.
func Main() {
	kernel.Guest(func(in *kernel.Inside, spec json.RawMessage) error {
		var j job
		if err := json.Unmarshal(spec, &j); err != nil {
			return err
		}
		v, err := victim.Named(j.Victim)
		if err != nil {
			return err
		}
		g := &guest{in: in, job: j, victim: v}
		return g.run()
	})
}

// guest is a machine seen from inside.
type guest struct {
	in      *kernel.Inside
	job     job
	victim  victim.Victim
	stage   *victim.Stage
	written written // how the kernel writes, once the first races have shown it
	trying  record.Scenario
}

func (g *guest) run() (err error) {
	disks := make([]string, len(g.victim.Disks))
	for i := range disks {
		disks[i] = fmt.Sprintf("/dev/vd%c", 'a'+i)
	}
	for _, s := range g.job.Scenarios {
		if g.trying = s; s == record.Replay {
			return g.replay(disks[0])
		}
		if g.stage == nil {
			if g.stage, err = g.victim.SetUp(disks); err != nil {
				return err
			}
		}
		if err := g.try(s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func (g *guest) try(s record.Scenario) error {
	switch s {
	case record.Race:
		return g.races()
	case record.SameBase:
		return g.sameBase()
	case record.Unmodified:
		return g.programs()
	case record.Crash:
		return g.crash()
	case record.Faults:
		return g.faults()
	}
	return errors.New("no such scenario")
}

func (g *guest) doing(format string, args ...any) error {
	return g.in.Say(said{Doing: fmt.Sprintf(format, args...)})
}

// say completes a Record and says it.
func (g *guest) say(rec record.Prove) error {
	rec.Kind, rec.Version = record.KindProve, record.Version
	rec.Scenario, rec.Kernel, rec.Origin, rec.Victim = g.trying, g.job.Kernel, g.job.Origin, g.victim.Name
	if rec.Answer != "" {
		rec.Scenario = record.Probing
	}
	rec.Needs, rec.Accel = g.victim.NeedsStablePages, string(g.job.Accel)
	if rec.System == nil {
		rec.System = record.SystemOf(g.stage.Target)
	}
	if g.written.by != "" && !rec.Guarded {
		rec.Written, rec.WrittenBy = g.written.how, g.written.by
	}
	if rec.Evidence == nil {
		rec.Evidence = evidence(g.victim.Speaks(g.in.Log.Lines()))
	}
	return g.in.Say(said{Record: &rec})
}

// evidence picks a few lines: the first ones.
func evidence(lines []string) []string {
	const enough = 3
	if len(lines) > enough {
		more := fmt.Sprintf("and %d more such lines", len(lines)-enough)
		return append(slices.Clone(lines[:enough]), more)
	}
	return append([]string{}, lines...)
}

// races runs them all. How the kernel writes is shown by the first ones, whose
// Records wait for that.
func (g *guest) races() error {
	var first []record.Prove
	var differ error
	before, err := dirtied()
	if err != nil {
		return err
	}
	for i, r := range g.job.Races {
		if r.Spare && Copied(g.written.how) && g.written.by != "" {
			continue
		}
		rec, err := g.race(r)
		if err != nil {
			return fmt.Errorf("%v against %v: %w", r.Strategy, r.Mutator, err)
		}
		if first = append(first, rec); i < measuring-1 {
			continue
		} else if i == measuring-1 {
			after, err := dirtied()
			if err != nil {
				return err
			}
			// Where nothing can be watched the races alone tell.
			pages, _ := watch.HowFileIsWritten(g.stage.Target)
			g.written, differ = agreed(shownBy(first, after-before), pages)
		}
		for _, rec := range first {
			if err := g.say(rec); err != nil {
				return err
			}
		}
		first = first[:0]
	}
	return errors.Join(g.probe(), differ)
}

// race runs one cell.
func (g *guest) race(r race) (rec record.Prove, err error) {
	if err := g.begin(); err != nil {
		return rec, err
	}
	cfg := repro.Config{
		Target: g.stage.Target, Strategy: r.Strategy, Detect: r.Detect, Indirect: true, Mutator: r.Mutator,
		Gate: r.Gate, Hold: repro.DefaultHold, Seed: raceSeed, Size: raceBytes,
	}
	if r.Gate {
		cfg.Hold = repro.DefaultGatedHold
	}
	if r.Detect == stablewrite.ByTracking { // of this process
		cfg.In = mutator.Thread
	}
	if g.stage.Legs != nil {
		cfg.Also = func(sums []uint32) (bool, error) {
			torn, differ, err := g.stage.Legs(sums)
			if differ > 0 {
				rec.Diverged++
			}
			return torn > 0, err
		}
	}
	ctx, enough := context.WithCancel(context.Background())
	defer enough()
	var told time.Time
	var checking time.Duration // by the mirror, which is no time of the race
	var failed error
	// ask has the victim count what it finds wrong.
	ask := func() {
		began := time.Now()
		n, err := g.stage.Mismatches()
		rec.Mismatches, failed = &n, err
		checking += time.Since(began)
	}
	found, err := repro.Run(ctx, cfg, func(now record.Repro) {
		if rec.FirstFailure == nil && g.failed(record.Prove{Repro: now, Diverged: rec.Diverged}) {
			rec.FirstFailure = &now.Seconds
		}
		// A later write may make the legs equal again.
		if rec.Diverged > 0 && rec.Mismatches == nil && g.stage.Mismatches != nil {
			if ask(); failed != nil {
				enough()
			}
		}
		until := r.Until
		if rec.FirstFailure != nil || Copied(g.written.how) && !r.Strategy.Sums() {
			until = 0
		}
		met := now.Overlapped > 0 || r.Mutator == mutator.None // stock changes once a second
		passed := seconds(now.Seconds) - checking
		wrote := now.Writes >= r.Writes || passed >= some(g.job.Quick, raceLimit)
		if r.measures() && now.Overlapped < fewest && passed < meetLimit {
			wrote = false
		}
		if passed >= until && wrote && (met || passed >= meetLimit) {
			enough()
		}
		if time.Since(told) > time.Second {
			told = time.Now()
			g.doing("%s against %v, %d writes so far", now.Writer(), r.Mutator, now.Writes)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return rec, err
	}
	rec.Repro, rec.Evidence = found, evidence(g.victim.Speaks(g.in.Log.Lines()))
	if rec.Mismatches == nil && g.stage.Mismatches != nil {
		ask()
	}
	return rec, failed
}

// begin puts an end to what earlier races left: work of the file system, lines of
// the log, counts.
func (g *guest) begin() error {
	if g.stage.Fresh != nil {
		if err := g.stage.Fresh(); err != nil {
			return err
		}
	}
	unix.Sync()
	g.in.Log.Lines()
	if g.stage.Mismatches == nil || g.stage.Legs != nil { // a mirror says what differs now
		return nil
	}
	_, err := g.stage.Mismatches()
	return err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// failed reports whether something went wrong: with a layer that needs stable
// pages, by its own account; on a control, and where the kernel copies, by the
// oracle's.
func (g *guest) failed(rec record.Prove) bool {
	if g.victim.NeedsStablePages && !Copied(g.written.how) {
		return Failed(rec) > 0
	}
	return Silent(rec) > 0
}
