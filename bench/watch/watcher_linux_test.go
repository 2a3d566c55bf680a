//go:build amd64

package watch

import (
	"path/filepath"
	"testing"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
)

// start starts to watch what this process starts, or names what is missing.
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

// stop stops w and returns its Records, of which none may be untraced.
func stop(t *testing.T, w *Watcher) []record.Watch {
	t.Helper()
	before, _ := w.counts()
	missed, _ := w.missed()
	all, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Untraced != 0 {
		t.Errorf("%d untraced; before the end %d not seen, and %+v", all[0].Untraced, missed, before)
	}
	return all
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
	w := start(t, Options{})
	name := filepath.Join(testenv.DirectDir(t), "f")
	pid := writer{File: name, Bytes: 256 << 10, Writes: 200, Scribble: true}.run(t)
	all := stop(t, w)
	its := of(all, pid)
	if len(its) != 1 {
		t.Fatalf("%+v", all)
	}
	r := its[0]
	if r.Writes != 200 || r.Blocks != 200*64 || r.Truncated != 0 || r.Changed == 0 || r.BlocksChanged < r.Changed {
		t.Errorf("%+v", r)
	}
	if r.Memory != record.Anonymous || r.Comm != "exe" || r.Device == "" || r.File != name || r.FirstSeconds == nil {
		t.Errorf("%+v", r)
	}
	if e := r.Example; e == nil || e.Bytes != 256<<10 || e.Block >= 64 || e.Blocks == 0 || e.InFlightNS == 0 {
		t.Errorf("%+v", e)
	}
}

// One byte that changes is seen at the ends of each piece of memory that is not
// aligned to pages, and counts as one block.
func TestAChangeOfOneByteIsSeen(t *testing.T) {
	w := start(t, Options{})
	name := filepath.Join(testenv.DirectDir(t), "f")
	const bytes, offset = 64 << 10, 512
	ends := []int{1, 4096 - offset, 4096 - offset + 1, bytes - offset, bytes - offset + 1, bytes}
	var pids []int
	for _, at := range ends {
		pids = append(pids, writer{File: name, Bytes: bytes, Offset: offset, Writes: 100, Scribble: true, Only: at}.run(t))
	}
	all := stop(t, w)
	for i, pid := range pids {
		its := of(all, pid)
		if len(its) != 1 || its[0].Changed == 0 || its[0].BlocksChanged != its[0].Changed || its[0].Blocks != 100*(bytes/4096+1) {
			t.Errorf("byte %d: %+v", ends[i], its)
		}
	}
}

func TestMemoryThatStandsStillIsNotSeenToChange(t *testing.T) {
	w := start(t, Options{})
	name := filepath.Join(testenv.DirectDir(t), "f")
	pid := writer{File: name, Bytes: 256 << 10, Writes: 500}.run(t)
	if its := of(stop(t, w), pid); len(its) != 1 || its[0].Writes != 500 || its[0].Changed != 0 {
		t.Errorf("%+v", its)
	}
}
