//go:build amd64

package watch

import (
	"os"
	"path/filepath"
	"testing"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
)

// start watches the processes that this one starts, or names the missing prerequisite.
func start(t *testing.T, o Options) *Watcher {
	t.Helper()
	testenv.EBPF(t)
	if o.PID == 0 {
		o.Children = true
	}
	w, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// stop stops w and returns its Records. On a busy machine a completion in some ten
// thousand goes unseen; those must be counted.
func stop(t *testing.T, w *Watcher) []record.Watch {
	t.Helper()
	before, _ := w.counts()
	all, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	var writes int64
	for _, r := range all {
		writes += r.Writes
	}
	if all[0].Untraced > 1+writes/100 {
		t.Errorf("%d untraced of %d: %+v", all[0].Untraced, writes, before)
	}
	return all
}

// allOf reports whether a Record has all writes that were made, except untraced
// writes.
func allOf(r record.Watch, made int64) bool {
	return r.Writes <= made && r.Writes+r.Untraced >= made
}

// of returns the Records of a process.
func of(all []record.Watch, pid int) (its []record.Watch) {
	for _, r := range all {
		if r.PID == pid {
			its = append(its, r)
		}
	}
	return its
}

func TestAScribblerIsSeen(t *testing.T) {
	t.Parallel()
	name := filepath.Join(testenv.DirectDir(t), "f")
	// The name of a file can be found while the process has it open.
	w := start(t, Options{OnChanged: func(r record.Watch) {
		if r.Comm == "scribbler" {
			os.WriteFile(name+".found", nil, 0o600)
		}
	}})
	pid, writes := writer{File: name, Bytes: 256 << 10, Writes: 200, Scribble: true, Name: "scribbler", Until: name + ".found"}.run(t)
	all := stop(t, w)
	its := of(all, pid)
	if len(its) != 1 {
		t.Fatalf("%+v", all)
	}
	r := its[0]
	if !allOf(r, writes) || r.Blocks != r.Writes*64 || r.Truncated != 0 || r.Changed == 0 || r.BlocksChanged < r.Changed {
		t.Errorf("%+v", r)
	}
	if r.Memory != record.Anonymous || r.Comm != "scribbler" || r.Device == "" || r.File != name || r.FirstSeconds == nil {
		t.Errorf("%+v", r)
	}
	if e := r.Example; e == nil || e.Bytes != 256<<10 || e.Block >= 64 || e.Blocks == 0 || e.InFlightNS == 0 {
		t.Errorf("%+v", e)
	}
}

// One byte that changes is seen at the ends of each piece of memory that is not
// aligned to pages, and counts as one block.
func TestAChangeOfOneByteIsSeen(t *testing.T) {
	t.Parallel()
	w := start(t, Options{})
	name := filepath.Join(testenv.DirectDir(t), "f")
	const bytes, offset = 64 << 10, 512
	ends := []int{1, 4096 - offset, 4096 - offset + 1, bytes - offset, bytes - offset + 1, bytes}
	for _, at := range ends {
		pid, _ := writer{File: name, Bytes: bytes, Offset: offset, Writes: 100, Scribble: true, Only: at}.run(t)
		its := of(records(t, w), pid)
		if len(its) != 1 || its[0].Changed == 0 || its[0].BlocksChanged != its[0].Changed || its[0].Blocks != its[0].Writes*(bytes/4096+1) {
			t.Errorf("byte %d: %+v", at, its)
		}
	}
	stop(t, w)
}

func TestMemoryThatStandsStillIsNotSeenToChange(t *testing.T) {
	t.Parallel()
	w := start(t, Options{})
	name := filepath.Join(testenv.DirectDir(t), "f")
	pid, writes := writer{File: name, Bytes: 256 << 10, Writes: 500}.run(t)
	if its := of(stop(t, w), pid); len(its) != 1 || !allOf(its[0], writes) || its[0].Changed != 0 {
		t.Errorf("%+v", its)
	}
}
