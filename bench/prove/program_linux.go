package prove

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
	"stablepages/bench/watch"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// programs runs each program plain, and then under run.
func (g *guest) programs() error {
	if err := os.Setenv("PATH", g.job.Path); err != nil {
		return err
	}
	dir, err := g.directory()
	if err != nil {
		return err
	}
	w, err := watch.Start(watch.Options{Children: true})
	if err == nil {
		defer w.Close()
	}
	unwatched := err // the programs run nevertheless, and Records say why nothing was seen
	for _, name := range g.job.Programs {
		p, err := ProgramNamed(name)
		if err != nil {
			return err
		}
		for _, guarded := range []bool{false, true} {
			rec, err := g.program(p, dir, guarded, w)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if unwatched != nil {
				rec.Evidence = append(rec.Evidence, "nothing was watched: "+unwatched.Error())
			}
			if err := g.say(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// directory is where the victim is testfile.
func (g *guest) directory() (string, error) {
	if g.stage.Directory != "" {
		return g.stage.Directory, nil
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return "", err
	}
	return dir, os.Symlink(g.stage.Target.Name(), filepath.Join(dir, "testfile"))
}

// program runs p once and looks at what it left behind.
func (g *guest) program(p Program, dir string, guarded bool, w *watch.Watcher) (rec record.Prove, err error) {
	if err := g.begin(); err != nil {
		return rec, err
	}
	if p.whole && g.stage.Directory != "" {
		if err := g.stage.Target.Truncate(p.bytes); err != nil {
			return rec, err
		}
	}
	before, err := seen(w)
	if err != nil {
		return rec, err
	}
	rec = record.Prove{
		Repro:   record.Repro{Strategy: stablewrite.Raw, Size: crcguard.BlockSize},
		Program: p.Name, Guarded: guarded,
	}
	began := time.Now()
	if rec.Failure, err = g.launch(p, dir, guarded); err != nil {
		return rec, err
	}
	rec.Seconds = time.Since(began).Seconds()
	after, err := seen(w)
	if err != nil {
		return rec, err
	}
	if w != nil {
		seen := watched(before, after)
		rec.Watched = &seen
	}
	// Under run it has left pages dirty, which the layer may refuse, too.
	if err := g.stage.Target.Sync(); err != nil && rec.Failure == "" {
		rec.Failure = "sync: " + err.Error()
	}
	if err := g.readBack(p, &rec); err != nil {
		return rec, err
	}
	if g.stage.Mismatches != nil {
		n, err := g.stage.Mismatches()
		if err != nil {
			return rec, err
		}
		rec.Mismatches = &n
	}
	rec.Evidence = evidence(g.victim.Speaks(g.in.Log.Lines()))
	return rec, nil
}

// size is how much there is of what p writes.
func (g *guest) size(p Program) (int64, error) {
	st, err := g.stage.Target.Stat()
	if err != nil || st.Mode()&os.ModeDevice != 0 {
		return p.bytes, err
	}
	return min(p.bytes, st.Size()), nil
}

// launch runs p to its end. failure is what it said, if it failed.
func (g *guest) launch(p Program, dir string, guarded bool) (failure string, err error) {
	path, err := p.path()
	if err != nil {
		return "", err
	}
	argv, how := append([]string{path}, p.args...), "plain"
	if guarded {
		argv, how = append([]string{"/proc/self/exe", "run", "--"}, argv...), "under run"
	}
	var out bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.SysProcAttr, cmd.WaitDelay = &syscall.SysProcAttr{Setpgid: true}, time.Second
	if err := cmd.Start(); err != nil {
		return "", err
	}
	runs := p.limit
	if p.endless && (guarded || Copied(g.written.how)) { // it is to fail nowhere
		runs = endlessTime
	}
	interrupted, err := await(cmd, runs, p.limit, func(ran time.Duration) (bool, error) {
		size, err := g.size(p)
		if err != nil {
			return false, err
		}
		return size == p.bytes, g.doing("%s, %s, for %v", p.Name, how, ran)
	})
	switch exit := (*exec.ExitError)(nil); {
	case err == nil:
		return "", nil
	case !errors.As(err, &exit):
		return "", err
	case interrupted && p.endless:
		return "", nil
	case interrupted:
		return fmt.Sprintf("it did not end within %v", p.limit), nil
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last, nil
	}
	return err.Error(), nil
}

// endlessTime is how long an endless program runs that is to fail nowhere.
const endlessTime = 5 * time.Second

// grace is how long an interrupted program may take to end.
const grace = 10 * time.Second

// await waits for the end of cmd, and interrupts it when it has run for some time
// since it was under way, as every second is asked, or has reached a limit. The error
// is that of its end, or of the question.
func await(cmd *exec.Cmd, runs, limit time.Duration, underWay func(ran time.Duration) (bool, error)) (interrupted bool, err error) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	signal := func(s unix.Signal) { unix.Kill(-cmd.Process.Pid, s) }
	defer signal(unix.SIGKILL) // for what it left behind
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var kill <-chan time.Time
	for ran, passed := time.Duration(0), time.Duration(0); ; {
		select {
		case err := <-ended:
			return interrupted, err
		case <-kill:
			signal(unix.SIGKILL)
		case <-tick.C:
			passed += time.Second
			begun, err := underWay(ran)
			if err != nil {
				return interrupted, err
			}
			if begun {
				ran += time.Second
			}
			if !interrupted && (ran > runs || passed > limit) {
				interrupted, kill = true, time.After(grace)
				signal(unix.SIGINT)
			}
		}
	}
}

// readBack counts in rec the blocks that p wrote, those of them that cannot be read,
// and those that are not the same on every leg.
func (g *guest) readBack(p Program, rec *record.Prove) error {
	size, err := g.size(p)
	if err != nil {
		return err
	}
	rec.Writes = int(size / crcguard.BlockSize)
	err = readBlocks(g.stage.Target, 0, int64(rec.Writes)*crcguard.BlockSize, func(block []byte, _ int64) error {
		if block == nil {
			rec.ReadErrors++
		}
		return nil
	})
	if err == nil && g.stage.Legs != nil && rec.Writes > 0 {
		_, rec.Diverged, err = g.stage.Legs(make([]uint32, rec.Writes))
	}
	rec.Torn = rec.ReadErrors + rec.Diverged
	return err
}

// seen returns what w has seen so far; nothing if w is nil.
func seen(w *watch.Watcher) ([]record.Watch, error) {
	if w == nil {
		return nil, nil
	}
	return w.Records()
}

// watched adds up the direct writes that a Watcher saw between two calls of its Records.
func watched(before, after []record.Watch) (sum record.Watched) {
	changed := map[string]int64{} // by name of the process
	add := func(all []record.Watch, sign int64) {
		untraced := int64(0) // of all, in each
		for _, r := range all {
			untraced = r.Untraced
			if r.Direct == stablewrite.DirectYes {
				sum.Writes += sign * r.Writes
				sum.Changed += sign * r.Changed
				changed[r.Comm] += sign * r.Changed
			}
		}
		sum.Untraced += sign * untraced
	}
	add(after, 1)
	add(before, -1)
	most := int64(0)
	for comm, n := range changed {
		if n > most {
			sum.Comm, most = comm, n
		}
	}
	return sum
}
