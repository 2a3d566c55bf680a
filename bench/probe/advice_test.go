package probe

import (
	"slices"
	"strings"
	"testing"

	"stablepages/bench/record"
	"stablepages/bench/watch"
	"stablepages/stablewrite"
)

func TestAdvise(t *testing.T) {
	on, off := true, false
	file := func(fs string) *record.System { return &record.System{FileSystem: fs, StableWrites: &off} }
	for _, tc := range []struct {
		p     record.Probe
		state State
		want  []string // parts of what is said
	}{
		{record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Writes: 64, Reached: 60}, Open,
			[]string{"Affected: changes in flight reach the media.", "own checksums are at risk"}},
		{record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Writes: 64, Reached: 60, System: &record.System{StableWrites: &off, Below: "md0: raid1"}}, Open,
			[]string{"They break the layer below: md0: raid1.", "queue/stable_writes is 0, yet md0: raid1 below needs"}},
		{record.Probe{Written: stablewrite.DirectUnknown, Measured: "a file", Writes: 64, WriteErrors: 3}, Open,
			[]string{"Affected: of 64 writes whose buffers changed, 3 failed or cannot be read back."}},
		// A device takes the data at once, so only free-running changes reach it.
		{record.Probe{Written: stablewrite.DirectYes, Measured: "the device", Writes: 64, Free: 64, Failed: 60}, Open, []string{"of 128 writes whose buffers changed, 60"}},
		{record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Writes: 64}, NotShown, []string{"Inconclusive: the kernel should write directly here, yet of 64 changes"}},
		{record.Probe{Written: stablewrite.DirectYes, Measured: "a file"}, NotShown, []string{"no change could be made in flight"}},
		{record.Probe{Written: stablewrite.DirectYes}, NotShown, []string{"Not measured. Assume that it is affected."}},
		{record.Probe{Written: stablewrite.DirectNo, Measured: "a file", Writes: 64}, Closed, []string{"Not affected: the kernel copies", "RequireDirect refuses such files", "not a program's own checksums"}},
		{record.Probe{Written: stablewrite.DirectUnknown, Measured: "a file", Writes: 64}, Closed, []string{"Not affected: the kernel copies"}},
		{record.Probe{Written: stablewrite.DirectNo}, Closed, []string{"Not affected: the kernel writes nothing directly here."}},
		{record.Probe{Written: stablewrite.DirectBounced, Measured: "a file", Writes: 64, System: file("btrfs")}, Closed,
			[]string{"Not affected: this kernel bounces.", "from 7.3 on it bounces", "not a program's own checksums"}},
		{record.Probe{Written: stablewrite.DirectBounced}, Closed, []string{"by kernel version and file system; this was not measured"}},
		// A measurement overrides an assumption.
		{record.Probe{Written: stablewrite.DirectBounced, Measured: "a file", Writes: 64, Reached: 1}, Open, []string{"Affected"}},
		{record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Writes: 9, Reached: 1, System: &record.System{StableWrites: &on}}, Open, []string{"does not protect direct writes"}},
	} {
		if got := StateOf(tc.p); got != tc.state {
			t.Errorf("%+v is %v, want %v", tc.p, got, tc.state)
		}
		a := Advise(tc.p)
		for _, want := range tc.want {
			if said := strings.Join(a.Said, " "); !strings.Contains(said, want) {
				t.Errorf("%+v: %q, want %q", tc.p, said, want)
			}
		}
		if (tc.state == Closed) != (len(a.Remedies) == 0) {
			t.Errorf("%+v: %v, and remedies %q", tc.p, tc.state, a.Remedies)
		}
	}
}

// Another kernel is advised only if one copies for this stack.
func TestTheKernelThatBouncesIsThatOfTheStack(t *testing.T) {
	on := true
	for want, s := range map[string]*record.System{
		"Linux 6.15 and later, through the page cache, and 7.3 and later, by bouncing": {FileSystem: "btrfs"},
		"A kernel that copies: Linux 7.0 and later":                                    {FileSystem: "xfs", Below: "sda: T10-DIF-TYPE1-CRC"},
		"on dm-integrity 7.3":                            {FileSystem: "xfs", StableWrites: &on},
		"none up to Linux 7.3 does on this stack":        {FileSystem: "ext4", StableWrites: &on},
		"does on this stack. Linux 7.3 bounces on btrfs": {FileSystem: "xfs", Below: "md0: raid1"},
	} {
		p := record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Writes: 1, Reached: 1, System: s}
		got := Advise(p).Remedies
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
		// watch says the same of a stack.
		layers := []record.Layer{{Name: s.FileSystem}, {Name: "disk", Device: "sda"}}
		if s.StableWrites != nil && *s.StableWrites {
			layers[1].Name = "dm integrity D"
		} else if strings.Contains(s.Below, "DIF") {
			layers[1].Name = "T10 PI"
		}
		seen := []record.Watch{{Direct: stablewrite.DirectYes, Changed: 1, Layers: layers}}
		if advice := watch.Advice(seen); !slices.Equal(advice, got) {
			t.Errorf("%+v: probe says %q, watch %q", s, got, advice)
		}
	}
}
