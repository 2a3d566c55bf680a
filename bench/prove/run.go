package prove

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"stablepages/bench/kernel"
	"stablepages/bench/record"
	"stablepages/bench/victim"
)

// atOnce is how many machines run at a time. Each keeps about one processor busy.
const atOnce = 2

// Run carries p out. It calls emit with Records in the order of the plan: those of a
// machine as soon as the machines before it have ended. It calls progress with the work
// under way, and with the number of machines that have ended. It never calls two of these
// at the same time. A failure is that of one machine: the others go on. The error is an
// interruption, the first error of emit, or that no machine can be made here.
func Run(ctx context.Context, p Plan, emit func(record.Prove) error, progress func(done, of int, what string)) (failures []error, err error) {
	var all []*machine
	for _, k := range p.Kernels {
		for _, v := range p.Victims {
			for _, j := range p.jobs(k, v) {
				all = append(all, &machine{victim: v, job: j})
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("nothing to do: these scenarios cannot be tried on these victims")
	}
	return inOrder(ctx, all, p.run, emit, progress)
}

// machine is a machine of the plan.
type machine struct {
	victim victim.Victim
	job    job

	held  []record.Prove // until those of the machines before it are out
	ended bool
	err   error
}

func (m *machine) String() string {
	return fmt.Sprintf("Linux %s, %s, %s", m.job.Kernel.Version, m.victim.Name, listed(m.job.Scenarios))
}

// listed is "race, read".
func listed(all []record.Scenario) string {
	var names []string
	for _, s := range all {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// said is a line from a machine.
type said struct {
	Doing  string        `json:"doing,omitempty"` // the work under way
	Record *record.Prove `json:"record,omitempty"`
}

// inOrder runs machines, some at a time, and puts their Records in order.
func inOrder(ctx context.Context, all []*machine, run func(context.Context, *machine, func(said)) error, emit func(record.Prove) error, progress func(done, of int, what string)) (failures []error, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	flush := func(m *machine) {
		for _, rec := range m.held {
			if err == nil {
				err = emit(rec)
			}
		}
		if m.held = nil; err != nil {
			stop(err)
		}
	}
	progress(0, len(all), "booting")
	var mu sync.Mutex
	out, done := 0, 0
	// on makes a change that a machine tells, and emits the Records that can go out then.
	on := func(change func()) {
		mu.Lock()
		defer mu.Unlock()
		change()
		for ; out < len(all); out++ {
			if flush(all[out]); !all[out].ended {
				break
			}
		}
	}
	someAtATime(ctx, all, func(m *machine) {
		failed := run(ctx, m, func(s said) {
			on(func() {
				if s.Record != nil {
					m.held = append(m.held, *s.Record)
				} else {
					progress(done, len(all), fmt.Sprintf("%v: %s", m, s.Doing))
				}
			})
		})
		on(func() {
			done++
			if m.ended, m.err = true, failed; errors.Is(failed, kernel.ErrQEMU) { // no other machine could be made
				stop(failed)
			}
		})
	})
	for _, m := range all {
		flush(m) // held by an interruption
		if m.err != nil {
			failures = append(failures, fmt.Errorf("%v: %w", m, m.err))
		}
	}
	if ctx.Err() != nil {
		return nil, cmp.Or(err, context.Cause(ctx))
	}
	progress(len(all), len(all), "done")
	return failures, nil
}

// someAtATime calls f for each machine, in order and atOnce at a time, until ctx ends.
func someAtATime(ctx context.Context, all []*machine, f func(*machine)) {
	var running sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, m := range all {
		places <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			f(m)
			<-places
		})
	}
	running.Wait()
}

// run boots a machine for its job, and once more if it asked for a power cut, or did not
// come up.
func (p Plan) run(ctx context.Context, m *machine, heard func(said)) error {
	v, j := m.victim, m.job
	replay := slices.Contains(j.Scenarios, record.Replay)
	disks, err := p.disks(ctx, v, replay)
	defer closeAll(disks)
	if err != nil {
		return err
	}
	files, compiled, err := p.files(ctx, v, j)
	defer closeAll(compiled)
	if err != nil {
		return err
	}
	booted := kernel.Machine{Kernel: j.Kernel, Accel: p.Accel, Program: p.Program, Files: files, Modules: v.Modules, Disks: disks}
	if replay {
		booted.Modules = append([]string{"dm_log_writes"}, v.Modules...)
	}
	for boots := 1; ; boots++ {
		if booted.Job, err = json.Marshal(j); err != nil {
			return err
		}
		err = booted.Run(ctx, func(line json.RawMessage) error {
			var s said
			err := json.Unmarshal(line, &s)
			if err == nil {
				heard(s)
			}
			return err
		})
		if errors.Is(err, kernel.ErrNotUp) && boots == 1 {
			continue
		}
		if !errors.Is(err, kernel.ErrCut) || j.Again {
			return err
		}
		j.Again = true
	}
}

// disks makes the disks of v. They have no names, and are gone with this process. A replay
// needs two more: one for the log, and a copy of the first one from before the log begins.
func (p Plan) disks(ctx context.Context, v victim.Victim, replay bool) (disks []*os.File, err error) {
	sizes := v.Disks
	if replay {
		sizes = slices.Repeat(v.Disks[:1], 3)
	}
	for _, size := range sizes {
		f, err := kernel.NewDisk(p.Dir, size)
		if err != nil {
			return disks, err
		}
		disks = append(disks, f)
	}
	if len(v.Mkfs) > 0 {
		mkfs := exec.CommandContext(ctx, v.Mkfs[0], append(slices.Clone(v.Mkfs[1:]), "/proc/self/fd/3")...)
		mkfs.ExtraFiles = disks[:1]
		if out, err := mkfs.CombinedOutput(); err != nil {
			return disks, fmt.Errorf("%s: %w: %s", v.Mkfs[0], err, out)
		}
	}
	if replay {
		_, err = io.Copy(io.NewOffsetWriter(disks[2], 0), io.NewSectionReader(disks[0], 0, sizes[0]))
	}
	return disks, err
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
