package prove

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// Main is the main function of a machine's init. In any other process it returns at once.
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
		return (&guest{in: in, job: j, victim: v}).run()
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

// scenarios are those that share a stage. replay sets up its own.
var scenarios = map[record.Scenario]func(*guest) error{
	record.Race: (*guest).races, record.SameBase: (*guest).sameBase, record.Unmodified: (*guest).programs,
	record.Crash: (*guest).crash, record.Faults: (*guest).faults,
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
		if err := scenarios[s](g); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// doing tells the host the work under way. A host that cannot be told cannot be sent the
// next Record either, and that ends the work.
func (g *guest) doing(format string, args ...any) {
	_ = g.in.Say(said{Doing: fmt.Sprintf(format, args...)})
}

// say completes a Record and sends it to the host.
func (g *guest) say(rec record.Prove) error {
	rec.Kind, rec.Version = record.KindProve, record.Version
	rec.Scenario, rec.Kernel, rec.Origin, rec.Victim = g.trying, g.job.Kernel.Version, g.job.Kernel.Origin, g.victim.Name
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
		rec.Evidence = evidence(g.victim.Speaks(g.in.Logged()))
	}
	return g.in.Say(said{Record: &rec})
}

// evidence returns the first few lines, and never nil.
func evidence(lines []string) []string {
	const enough = 3
	few := append([]string{}, lines[:min(enough, len(lines))]...)
	if more := len(lines) - enough; more > 0 {
		few = append(few, fmt.Sprintf("and %d more such lines", more))
	}
	return few
}

// races runs all races. The first ones show how the kernel writes; their Records wait for
// that.
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
			// Without eBPF, the races alone show it.
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

// config describes a race on the target.
func (g *guest) config(s stablewrite.Strategy, k mutator.Kind) repro.Config {
	return repro.Config{
		Target: g.stage.Target, Strategy: s, Indirect: true, Mirror: len(g.stage.Below) > 1,
		Mutator: k, Seed: raceSeed, Size: raceBytes,
	}
}

// race runs one cell.
func (g *guest) race(r race) (rec record.Prove, err error) {
	if err := g.begin(); err != nil {
		return rec, err
	}
	cfg := g.config(r.Strategy, r.Mutator)
	cfg.Detect, cfg.Gate, cfg.Hold = r.Detect, r.Gate, repro.DefaultHold
	if r.Gate {
		cfg.Hold = repro.DefaultGatedHold
	}
	if r.Detect == stablewrite.ByTracking { // tracks this process alone
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
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var told time.Time
	var asking time.Duration // not counted as time of the race
	var failed error
	ask := func() {
		if g.stage.Mismatches == nil || rec.Mismatches != nil {
			return
		}
		began := time.Now()
		n, err := g.stage.Mismatches()
		rec.Mismatches, failed = &n, err
		asking += time.Since(began)
	}
	found, err := repro.Run(ctx, cfg, func(now record.Repro) {
		rec.Repro = now
		if rec.FirstFailure == nil && g.failed(rec) {
			rec.FirstFailure = &now.Seconds
		}
		if rec.Diverged > 0 { // a later write may make the legs equal again
			ask()
		}
		if failed != nil || g.enough(r, rec, time.Duration(now.Seconds*float64(time.Second))-asking) {
			stop()
		}
		if time.Since(told) > time.Second {
			told = time.Now()
			g.doing("%s against %v, %d writes so far", now.Writer(), r.Mutator, now.Writes)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return rec, err
	}
	rec.Repro, rec.Evidence = found, evidence(g.victim.Speaks(g.in.Logged()))
	ask()
	return rec, failed
}

// enough reports whether r, which has run for some time, need not go on.
func (g *guest) enough(r race, now record.Prove, ran time.Duration) bool {
	until := r.Until
	if now.FirstFailure != nil || Copied(g.written.how) && !r.Strategy.Sums() {
		until = 0
	}
	met := now.Overlapped > 0 || r.Mutator == mutator.None // stock changes once a second
	measures := r.Strategy == stablewrite.Raw && r.Mutator == mutator.Storm
	wrote := now.Writes >= r.Writes || ran >= some(g.job.Quick, raceLimit)
	if measures && now.Overlapped < fewest && ran < meetLimit {
		wrote = false
	}
	return ran >= until && wrote && (met || ran >= meetLimit)
}

// begin ends the work that earlier races left to the file system, and drops their lines of
// the log and their counts.
func (g *guest) begin() error {
	if g.stage.Fresh != nil {
		if err := g.stage.Fresh(); err != nil {
			return err
		}
	}
	unix.Sync()
	g.in.Logged()
	if g.stage.Mismatches == nil || g.stage.Legs != nil { // a mirror counts what differs now
		return nil
	}
	_, err := g.stage.Mismatches()
	return err
}

// failed reports whether something went wrong: according to a layer that needs stable
// pages; on a control, and where the kernel copies, according to the oracle.
func (g *guest) failed(rec record.Prove) bool {
	if g.victim.NeedsStablePages && !Copied(g.written.how) {
		return Failed(rec) > 0
	}
	return Silent(rec) > 0
}
