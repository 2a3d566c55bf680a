package prove

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

// A gate that missed does not show how the kernel writes, nor does an assumption.
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

// If races and pages contradict each other, that is an error, and the races are kept.
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

func TestWatchedIsWhatWasSeenInBetween(t *testing.T) {
	rec := func(comm string, how stablewrite.Directness, writes, changed, untraced int64) record.Watch {
		return record.Watch{Comm: comm, Direct: how, Writes: writes, Changed: changed, Untraced: untraced}
	}
	before := []record.Watch{rec("init", stablewrite.DirectYes, 10, 9, 1)}
	after := []record.Watch{
		rec("init", stablewrite.DirectYes, 12, 10, 3), rec("fio", stablewrite.DirectYes, 7, 2, 3), rec("fio", stablewrite.DirectNo, 70, 20, 3),
	}
	if got, want := watched(before, after), (record.Watched{Comm: "fio", Writes: 9, Changed: 3, Untraced: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := watched(after, after); got != (record.Watched{}) {
		t.Errorf("%+v was seen in no time", got)
	}
}

func TestRepeatEndsWhenItIsToldOrFails(t *testing.T) {
	calls := make(chan bool)
	stop := repeat(0, func() error {
		select {
		case calls <- true:
		case <-time.After(time.Millisecond):
		}
		return nil
	})
	<-calls
	<-calls
	if err := stop(); err != nil {
		t.Error(err)
	}
	failed, n := errors.New("failed"), 0
	stop = repeat(0, func() error {
		n++
		calls <- true
		return failed
	})
	<-calls
	if err := stop(); err != failed || n != 1 {
		t.Errorf("%v after %d calls", err, n)
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

// script runs three machines by steps: "0a" has machine 0 send a Record of the victim "0a",
// "1." ends machine 1, "1!" ends it with an error, "-" interrupts the run. emit fails for
// "0x". script returns the victims that were emitted.
func script(t *testing.T, steps string) (out string, failures []error, err error) {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	var all []*machine
	steppers := map[*machine]chan string{}
	for i := range 3 {
		m := &machine{job: job{Kernel: kernel.Kernel{Version: "9.9"}}, victim: victim.Victim{Name: fmt.Sprint(i)}}
		all, steppers[m] = append(all, m), make(chan string)
	}
	run := func(ctx context.Context, m *machine, heard func(said)) error {
		for {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case step := <-steppers[m]:
				switch step[1] {
				case '.':
					return nil
				case '!':
					return errors.New("it hangs")
				}
				heard(said{Record: &record.Prove{Victim: step}})
			}
		}
	}
	go func() {
		for step := range strings.FieldsSeq(steps) {
			if step == "-" {
				interrupt()
				return
			}
			select {
			case steppers[all[step[0]-'0']] <- step:
			case <-time.After(10 * time.Second):
				t.Errorf("nobody takes %s", step)
			}
		}
	}()
	emit := func(rec record.Prove) error {
		if rec.Victim == "0x" {
			return errors.New("disk full")
		}
		out += rec.Victim + " "
		return nil
	}
	failures, err = inOrder(ctx, all, run, emit, func(int, int, string) {})
	return out, failures, err
}

// Two machines speak at a time; their Records come out in the order of the plan.
func TestRecordsComeInTheOrderOfThePlan(t *testing.T) {
	out, failures, err := script(t, "1a 0a 1b 1! 0b 2a 0. 2b 2.")
	if out != "0a 0b 1a 1b 2a 2b " || err != nil {
		t.Errorf("%s, %v", out, err)
	}
	if len(failures) != 1 || failures[0].Error() != "Linux 9.9, 1, : it hangs" {
		t.Errorf("%v", failures)
	}
	// Records that wait when the run is interrupted are not lost.
	if out, _, err := script(t, "1a -"); !strings.Contains(out, "1a") || !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", out, err)
	}
	if out, _, err := script(t, "1a 0a 0x"); out != "0a " || err == nil || err.Error() != "disk full" {
		t.Errorf("%q, %v: an error of emit is lost", out, err)
	}
	if out, _, err := script(t, "1a 1. 2a 2. 0x"); out != "" || err == nil || err.Error() != "disk full" {
		t.Errorf("%q, %v: an error of emit is lost", out, err)
	}
}

// A machine that cannot be made is a failure, and the others run nevertheless.
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
	if !errors.Is(failures[0], kernel.ErrNoModule) || !strings.Contains(failures[0].Error(), "md-raid1, read") || !strings.Contains(failures[1].Error(), "bare, read") {
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
