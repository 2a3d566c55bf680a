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

// Whether the kernel writes directly is not told by a gate that missed.
func TestMeasuredDirectness(t *testing.T) {
	gated := func(spoil func(*record.Prove)) record.Prove {
		r := record.Prove{Repro: record.Repro{Gate: true, Writes: 20, Overlapped: 20}}
		spoil(&r)
		return r
	}
	none := func(*record.Prove) {}
	for _, tc := range []struct {
		want        stablewrite.Directness
		gated, free func(*record.Prove)
	}{
		{stablewrite.DirectNo, none, func(r *record.Prove) { r.Torn = 20 }}, // by the harness's sum alone
		{stablewrite.DirectYes, func(r *record.Prove) { r.Torn = 1 }, none},
		{stablewrite.DirectYes, func(r *record.Prove) { r.WriteErrors = 1 }, none},
		{stablewrite.DirectYes, none, func(r *record.Prove) { r.Torn, r.ReadErrors = 20, 19 }},
		{stablewrite.DirectUnknown, func(r *record.Prove) { r.Overlapped = 3 }, none},
		{stablewrite.DirectYes, func(r *record.Prove) { r.Written = stablewrite.DirectYes }, none},
	} {
		free := gated(tc.free)
		free.Gate = false
		if got := measured([]record.Prove{gated(tc.gated), free}); got != tc.want {
			t.Errorf("%v, want %v", got, tc.want)
		}
	}
}

// A machine that cannot be made is told of, and the others have their turn.
func TestAMachineThatFailsDoesNotStopTheOthers(t *testing.T) {
	bin, tree := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for name, content := range map[string]string{
		bin + "/qemu-system-x86_64":               "#!/bin/sh\nexit 1\n",
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
	p := Plan{Kernels: []kernel.Kernel{k}, Accel: kernel.Emulated, Victims: []victim.Victim{layer, bare}, Scenarios: []Scenario{SameBase}, Program: program, Dir: t.TempDir()}
	last := 0
	failures, err := Run(context.Background(), p, func(record.Prove) error { return nil }, func(done, of int, _ string) { last = of - done })
	if err != nil || len(failures) != 2 || last != 0 {
		t.Fatalf("%v, %v, %d left", failures, err, last)
	}
	if !errors.Is(failures[0].Err, kernel.ErrNoModule) || failures[0].Victim != "md-raid1" || failures[1].Victim != "bare" {
		t.Errorf("%v", failures)
	}
	p.Scenarios = []Scenario{Replay}
	if _, err := Run(context.Background(), p, nil, nil); err == nil || !strings.Contains(err.Error(), "nothing to do") {
		t.Errorf("a plan of nothing: %v", err)
	}
	if left, _ := os.ReadDir(p.Dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
