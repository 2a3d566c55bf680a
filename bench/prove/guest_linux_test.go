package prove

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stablepages/bench/kernel"
	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/bench/victim"
	"stablepages/stablewrite"
)

func TestEvidenceIsShort(t *testing.T) {
	if got := evidence(nil); got == nil || len(got) != 0 {
		t.Errorf("%q: no evidence is an empty list", got)
	}
	if got := evidence([]string{"a", "b", "c", "d", "e"}); !slices.Equal(got, []string{"a", "b", "c", "and 2 more such lines"}) {
		t.Errorf("%q", got)
	}
}

// How the kernel writes is not told by a gate that missed, nor by what is assumed.
func TestHowTheKernelWritesIsShown(t *testing.T) {
	const size, pages = 1 << 20, 2 * 20 * 256
	none := func(*record.Prove) {}
	for _, tc := range []struct {
		assumed     stablewrite.Directness
		dirtied     int64
		gated, free func(*record.Prove)
		want        stablewrite.Directness
		shown       bool
	}{
		{stablewrite.DirectUnknown, pages, none, func(r *record.Prove) { r.Torn = 20 }, stablewrite.DirectNo, true}, // by the harness's sum alone
		{stablewrite.DirectUnknown, 90, none, none, stablewrite.DirectBounced, true},
		{stablewrite.DirectBounced, 90, none, none, stablewrite.DirectBounced, true},
		{stablewrite.DirectBounced, pages, none, none, stablewrite.DirectNo, true},
		{stablewrite.DirectNo, 90, none, none, stablewrite.DirectBounced, true},
		{stablewrite.DirectUnknown, pages, func(r *record.Prove) { r.Torn = 1 }, none, stablewrite.DirectYes, true},
		{stablewrite.DirectBounced, 90, func(r *record.Prove) { r.Torn = 1 }, none, stablewrite.DirectYes, true},
		{stablewrite.DirectNo, 90, func(r *record.Prove) { r.WriteErrors = 1 }, none, stablewrite.DirectYes, true},
		{stablewrite.DirectUnknown, 90, none, func(r *record.Prove) { r.Torn, r.ReadErrors = 20, 19 }, stablewrite.DirectYes, true},
		{stablewrite.DirectUnknown, 90, func(r *record.Prove) { r.Overlapped = 3 }, none, stablewrite.DirectUnknown, false},
		{stablewrite.DirectBounced, 90, func(r *record.Prove) { r.Overlapped = 3 }, none, stablewrite.DirectBounced, false},
		{stablewrite.DirectBounced, 90, func(r *record.Prove) { r.Overlapped, r.Writes = 3, 3 }, none, stablewrite.DirectBounced, false},
		{stablewrite.DirectYes, 90, none, none, stablewrite.DirectYes, false}, // the device takes the data at once
		{stablewrite.DirectYes, pages, none, none, stablewrite.DirectNo, true},
	} {
		race := func(gate bool, spoil func(*record.Prove)) record.Prove {
			r := record.Prove{Repro: record.Repro{Gate: gate, Size: size, Writes: 20, Overlapped: 20, Written: tc.assumed}}
			spoil(&r)
			return r
		}
		got := shownBy([]record.Prove{race(true, tc.gated), race(false, tc.free)}, tc.dirtied)
		if got.how != tc.want || tc.shown != (got.by == record.ByGate) {
			t.Errorf("assumed %v, %d dirty: %+v, want %v", tc.assumed, tc.dirtied, got, tc.want)
		}
	}
}

// Whose pages a write holds is asked beside the races, and neither is believed against
// the other.
func TestWhatRacesAndPagesShowMustAgree(t *testing.T) {
	const yes, bounced, unknown = stablewrite.DirectYes, stablewrite.DirectBounced, stablewrite.DirectUnknown
	for _, tc := range []struct {
		races written
		pages stablewrite.Directness
		want  written
		fails bool
	}{
		{written{bounced, record.ByGate}, bounced, written{bounced, record.ByBoth}, false},
		{written{bounced, record.ByGate}, unknown, written{bounced, record.ByGate}, false},
		{written{bounced, record.ByGate}, yes, written{bounced, record.ByGate}, true},
		{written{yes, record.ByGate}, bounced, written{yes, record.ByGate}, true},
		{written{yes, ""}, bounced, written{bounced, record.ByPages}, false}, // an assumption is not believed
		{written{unknown, ""}, unknown, written{unknown, ""}, false},
	} {
		got, err := agreed(tc.races, tc.pages)
		if got != tc.want || (err != nil) != tc.fails {
			t.Errorf("%+v, pages %v: %+v, %v, want %+v", tc.races, tc.pages, got, err, tc.want)
		}
	}
}

func TestDirtiedCountsWhatThePageCacheTakes(t *testing.T) {
	before, err := dirtied()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(testenv.DirectDir(t), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const pages = 4096
	if _, err := f.Write(make([]byte, pages*4096)); err != nil {
		t.Fatal(err)
	}
	after, err := dirtied()
	if err != nil {
		t.Fatal(err)
	}
	if after-before < pages/2 { // processors add what they counted in batches
		t.Errorf("%d pages dirtied of %d", after-before, pages)
	}
}

// Two machines speak at a time; what they say comes out in the order of the plan.
func TestRecordsComeInTheOrderOfThePlan(t *testing.T) {
	var out []string
	full := errors.New("disk full")
	r := &running{machines: make([]machine, 3), progress: func(int, int, string) {}, emit: func(rec record.Prove) error {
		if rec.Victim == "bad" {
			return full
		}
		out = append(out, rec.Victim)
		return nil
	}}
	says := func(i int, victim string) {
		if err := r.heard(i, said{Record: &record.Prove{Victim: victim}}); err != nil {
			t.Error(err)
		}
	}
	says(1, "1a")
	says(0, "0a")
	says(1, "1b")
	r.ended(1, errors.New("it hangs"))
	says(0, "0b")
	says(2, "2a")
	r.ended(0, nil)
	says(2, "2b")
	if want := []string{"0a", "0b", "1a", "1b", "2a", "2b"}; !slices.Equal(out, want) {
		t.Errorf("%q, want %q", out, want)
	}
	if err := r.heard(2, said{Record: &record.Prove{Victim: "bad"}}); !errors.Is(err, full) {
		t.Error(err)
	}
	r.ended(2, nil)
	if failures, err := r.close(); len(failures) != 1 || err != nil {
		t.Errorf("%v, %v", failures, err)
	}
	// What waited when the run was interrupted is not lost.
	r = &running{machines: make([]machine, 2), progress: r.progress, emit: r.emit}
	says(1, "late")
	if _, err := r.close(); err != nil || out[len(out)-1] != "late" {
		t.Errorf("%q, %v", out, err)
	}
	r = &running{machines: make([]machine, 2), progress: r.progress, emit: r.emit}
	says(1, "bad") // held
	r.ended(0, nil)
	if _, err := r.close(); !errors.Is(err, full) {
		t.Errorf("%v: an error of emit is lost", err)
	}
}

// A machine that cannot be made is told of, and the others have their turn.
func TestAMachineThatFailsDoesNotStopTheOthers(t *testing.T) {
	bin, tree := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for name, content := range map[string]string{
		bin + "/qemu-system-x86_64":               "#!/bin/sh\necho >>" + bin + "/boots\nexit 1\n",
		tree + "/boot/vmlinuz-9.9":                "",
		tree + "/lib/modules/9.9/modules.builtin": "kernel/virtio_pci.ko\nkernel/virtio_console.ko\nkernel/virtio_blk.ko\nkernel/sd_mod.ko\n",
		tree + "/lib/modules/9.9/kernel/x":        "",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	k, err := kernel.Open(tree)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := victim.Named("md-raid1")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bare := victim.Victim{Name: "bare"}
	p := Plan{Kernels: []kernel.Kernel{k}, Accel: kernel.Emulated, Victims: []victim.Victim{layer, bare}, Scenarios: []record.Scenario{record.SameBase}, Program: program, Dir: t.TempDir()}
	last := 0
	failures, err := Run(context.Background(), p, func(record.Prove) error { return nil }, func(done, of int, _ string) { last = of - done })
	if err != nil || len(failures) != 2 || last != 0 {
		t.Fatalf("%v, %v, %d left", failures, err, last)
	}
	if !errors.Is(failures[0].Err, kernel.ErrNoModule) || failures[0].Victim != "md-raid1" || failures[1].Victim != "bare" {
		t.Errorf("%v", failures)
	}
	if boots, _ := os.ReadFile(bin + "/boots"); len(boots) != 2 {
		t.Errorf("what does not come up is booted %d times, want 2", len(boots))
	}
	p.Scenarios = []record.Scenario{record.Replay}
	if _, err := Run(context.Background(), p, nil, nil); err == nil || !strings.Contains(err.Error(), "nothing to do") {
		t.Errorf("a plan of nothing: %v", err)
	}
	if left, _ := os.ReadDir(p.Dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
