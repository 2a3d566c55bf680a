package prove

import (
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
	"sync/atomic"
	"syscall"

	"stablepages/bench/kernel"
	"stablepages/bench/record"
	"stablepages/bench/scratch"
	"stablepages/bench/victim"
)

// said is a line from a machine.
type said struct {
	Doing  string        `json:"doing,omitempty"` // what is under way
	Record *record.Prove `json:"record,omitempty"`
}

// Failure is a machine that did not do its job. The others go on.
type Failure struct {
	Kernel    string
	Victim    string
	Scenarios []record.Scenario
	Err       error
}

func (f Failure) String() string {
	return fmt.Sprintf("Linux %s, %s, %s: %v", f.Kernel, f.Victim, listed(f.Scenarios), f.Err)
}

// atOnce is how many machines run at a time. Each has two emulated processors, but
// seldom keeps more than one of this machine's busy.
const atOnce = 2

// Run carries p out. Records go to emit in the order of the plan, those of a machine
// as soon as those before it have ended; progress is told what is under way, and how
// many of the machines are done. Neither is called concurrently. The error is an
// interruption, emit's, or that no machine can be made here; what went wrong in one
// is a Failure.
func Run(ctx context.Context, p Plan, emit func(record.Prove) error, progress func(done, of int, what string)) ([]Failure, error) {
	var all []machine
	for _, k := range p.Kernels {
		for _, v := range p.Victims {
			for _, j := range p.jobs(k, v) {
				all = append(all, machine{k: k, v: v, j: j})
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("nothing to do: none of these scenarios can be tried on these victims")
	}
	progress(0, len(all), "booting")
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &running{machines: all, emit: emit, progress: progress}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(atOnce, len(all)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) || ctx.Err() != nil {
					return
				}
				m := &all[i] // not a copy: others write to the fields that running has
				err := p.run(ctx, m.k, m.v, m.j, func(s said) error { return r.heard(i, s) })
				if errors.Is(err, kernel.ErrCaller) || errors.Is(err, kernel.ErrQEMU) { // the others would fare the same
					stop(err)
				}
				r.ended(i, err)
			}
		})
	}
	wg.Wait()
	failures, err := r.close()
	if ctx.Err() != nil {
		return failures, context.Cause(ctx)
	}
	if err == nil {
		progress(len(all), len(all), "done")
	}
	return failures, err
}

// machine is one that is to run.
type machine struct {
	k kernel.Kernel
	v victim.Victim
	j job

	held  []record.Prove // until those of the machines before it are out
	ended bool
	err   error
}

// listed is "race, read".
func listed(all []record.Scenario) string {
	var names []string
	for _, s := range all {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func (m machine) String() string {
	return fmt.Sprintf("Linux %s, %s, %s", m.k.Version, m.v.Name, listed(m.j.Scenarios))
}

// running puts in order what machines say.
type running struct {
	mu       sync.Mutex
	machines []machine
	out      int // the first one that has not ended: its Records go out at once
	done     int
	emit     func(record.Prove) error
	progress func(done, of int, what string)
}

func (r *running) heard(i int, s said) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch m := &r.machines[i]; {
	case s.Record == nil:
		r.progress(r.done, len(r.machines), fmt.Sprintf("%v: %s", m, s.Doing))
		return nil
	case i == r.out:
		return r.emit(*s.Record)
	default:
		m.held = append(m.held, *s.Record)
		return nil
	}
}

// ended takes note of the end of a machine, and lets out what waited for it.
func (r *running) ended(i int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.machines[i].ended, r.machines[i].err = true, err
	r.done++
	for r.out < len(r.machines) && r.machines[r.out].ended {
		if r.out++; r.out < len(r.machines) {
			r.flush(r.out)
		}
	}
}

// flush emits what machine i has said so far. An error of emit is that of the
// machine.
func (r *running) flush(i int) {
	m := &r.machines[i]
	for _, rec := range m.held {
		if err := r.emit(rec); err != nil {
			m.err = errors.Join(m.err, fmt.Errorf("%w: %w", kernel.ErrCaller, err))
			break
		}
	}
	m.held = nil
}

// close emits what is left after an interruption, and says what failed.
func (r *running) close() (failures []Failure, err error) {
	for i := range r.machines {
		r.flush(i)
		switch m := r.machines[i]; {
		case m.err == nil:
		case errors.Is(m.err, kernel.ErrCaller):
			err = errors.Join(err, m.err)
		default:
			failures = append(failures, Failure{m.k.Version, m.v.Name, m.j.Scenarios, m.err})
		}
	}
	return failures, err
}

// run boots a machine for j, and once more if it asks for a power cut, or did not
// come up.
func (p Plan) run(ctx context.Context, k kernel.Kernel, v victim.Victim, j job, heard func(said) error) error {
	disks, err := p.disks(ctx, v)
	if err == nil && slices.Contains(j.Scenarios, record.Replay) {
		disks, err = p.logDisks(disks, v.Disks[0])
	}
	defer closeAll(disks)
	if err != nil {
		return err
	}
	files, done, err := p.files(ctx, v, j)
	defer done()
	if err != nil {
		return err
	}
	for boots := 1; ; boots++ {
		spec, err := json.Marshal(j)
		if err != nil {
			return err
		}
		m := kernel.Machine{Kernel: k, Accel: p.Accel, Program: p.Program, Files: files, Modules: modules(v, j), Disks: disks, Job: spec}
		err = m.Run(ctx, func(line json.RawMessage) error {
			var s said
			if err := json.Unmarshal(line, &s); err != nil {
				return err
			}
			return heard(s)
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

// disks makes the disks of v. They have no names, and are gone with this process.
func (p Plan) disks(ctx context.Context, v victim.Victim) (disks []*os.File, err error) {
	for i, size := range v.Disks {
		f, err := p.disk(size)
		if err != nil {
			return disks, err
		}
		disks = append(disks, f)
		if i == 0 && len(v.Mkfs) > 0 {
			mkfs := exec.CommandContext(ctx, v.Mkfs[0], slices.Concat(v.Mkfs[1:], []string{"/proc/self/fd/3"})...)
			mkfs.ExtraFiles = []*os.File{f}
			if out, err := mkfs.CombinedOutput(); err != nil {
				return disks, fmt.Errorf("%s: %w: %s", v.Mkfs[0], err, out)
			}
		}
	}
	return disks, nil
}

// logDisks adds the disks that a replay needs: one for the log, and one like the
// first, as it is before the log begins.
func (p Plan) logDisks(disks []*os.File, size int64) ([]*os.File, error) {
	for range 2 {
		f, err := p.disk(size)
		if err != nil {
			return disks, err
		}
		disks = append(disks, f)
	}
	_, err := io.Copy(io.NewOffsetWriter(disks[2], 0), io.NewSectionReader(disks[0], 0, size))
	return disks, err
}

// disk makes one, with its room, so that the guest meets no full disk which is not
// its own.
func (p Plan) disk(size int64) (*os.File, error) {
	f, err := scratch.Temporary(p.Dir)
	if err != nil {
		return nil, err
	}
	if err = allocate(f, size); err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("no room for a disk of %d MiB in %s: make room, or name another directory: %w", size>>20, p.Dir, err)
	}
	return nil, err
}

func modules(v victim.Victim, j job) []string {
	if slices.Contains(j.Scenarios, record.Replay) {
		return append([]string{"dm_log_writes"}, v.Modules...)
	}
	return v.Modules
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
