package prove

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
	unwatched := err // the programs run nevertheless, and Records give the reason
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

// directory returns a directory in which testfile is the victim, or a file on it.
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

// program runs p once and reads its file back.
func (g *guest) program(p Program, dir string, guarded bool, w *watch.Watcher) (rec record.Prove, err error) {
	if err := g.begin(); err != nil {
		return rec, err
	}
	if p.whole && g.stage.Directory != "" {
		if err := g.stage.Target.Truncate(p.bytes); err != nil {
			return rec, err
		}
	}
	before, err := w.Records()
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
	after, err := w.Records()
	if err != nil {
		return rec, err
	}
	if w != nil {
		rec.Watched = new(watched(before, after))
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
	rec.Evidence = evidence(g.victim.Speaks(g.in.Logged()))
	return rec, nil
}

// size returns how many of the bytes that p writes there are.
func (g *guest) size(p Program) (int64, error) {
	size, err := g.stage.Target.Seek(0, io.SeekEnd)
	return min(p.bytes, size), err
}

// launch runs p to its end. failure is the last line that p printed, if it failed.
func (g *guest) launch(p Program, dir string, guarded bool) (failure string, err error) {
	path, err := p.path()
	if err != nil {
		return "", err
	}
	argv, how := append([]string{path}, p.args...), "plain"
	if guarded {
		argv, how = append([]string{"/proc/self/exe", "run", "--"}, argv...), "under run"
	}
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, &out, &out, grace
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	signal := func(s unix.Signal) error { return unix.Kill(-cmd.Process.Pid, s) }
	cmd.Cancel = func() error { return signal(unix.SIGINT) }
	if err := cmd.Start(); err != nil {
		return "", err
	}
	defer signal(unix.SIGKILL) // for its children
	runs := p.limit
	if p.endless && (guarded || Copied(g.written.how)) { // it is to fail nowhere
		runs = endlessTime
	}
	began, ran := time.Now(), time.Duration(0) // ran since its first write was complete
	stop := repeat(tick, func() error {
		size, err := g.size(p)
		if size == p.bytes {
			ran += tick
		}
		if err != nil || ran > runs || time.Since(began) > p.limit {
			interrupt()
		}
		g.doing("%s, %s, for %v", p.Name, how, ran.Round(time.Second))
		return err
	})
	ended := cmd.Wait()
	if err := stop(); err != nil {
		return "", err
	}
	switch exit := (*exec.ExitError)(nil); {
	case ended == nil, ctx.Err() != nil && p.endless:
		return "", nil
	case ctx.Err() != nil:
		return fmt.Sprintf("it did not end within %v", p.limit), nil
	case !errors.As(ended, &exit):
		return "", ended
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return cmp.Or(lines[len(lines)-1], ended.Error()), nil
}

const (
	tick        = 200 * time.Millisecond // between looks at a program
	endlessTime = 5 * time.Second        // of an endless program that is to fail nowhere
	grace       = 10 * time.Second       // for an interrupted program to end
)

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
