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
			[]string{"Affected in part: changes in flight reach the media, but no layer below is harmed"}},
		{record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Writes: 64, Reached: 60, System: &record.System{StableWrites: &off, Below: "md0: raid1"}}, Open,
			[]string{"Affected: changes in flight reach the media, and break a layer below.", "Below: md raid1 md0: md raid1 needs stable pages", "queue/stable_writes is 0, yet md0: raid1 below needs"}},
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
			[]string{"Not affected: this kernel bounces.", "From 7.3 on btrfs bounces both", "not a program's own checksums"}},
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

// probe knows of a stack what the Record of its system tells, and advises as watch does.
func TestProbeAdvisesAsWatch(t *testing.T) {
	on := true
	for _, c := range []struct {
		s      *record.System
		failed int // writes
		layers []record.Layer
	}{
		{&record.System{FileSystem: "btrfs", Kernel: "6.1"}, 0, []record.Layer{{Name: "btrfs"}}},
		{&record.System{FileSystem: "xfs", Below: "sda: T10-DIF-TYPE1-CRC"}, 0, []record.Layer{{Name: "xfs"}, {Name: "T10 PI", Device: "sda"}}},
		{&record.System{FileSystem: "xfs", Device: "sdb", StableWrites: &on}, 1, []record.Layer{{Name: "xfs"}, {Name: watch.Asking, Device: "sdb"}}},
		{&record.System{FileSystem: "xfs", Device: "sdb", StableWrites: &on}, 0, []record.Layer{{Name: "xfs"}}},
		{&record.System{FileSystem: "ext4", Below: "md1: raid5, sda: T10-DIF-TYPE1-CRC", StableWrites: &on}, 0,
			[]record.Layer{{Name: "ext4"}, {Name: "md raid5", Device: "md1"}, {Name: "T10 PI", Device: "sda"}}},
		{&record.System{Device: "md0", Below: "md0: raid1, drbd0: DRBD"}, 0, []record.Layer{{Name: "md raid1", Device: "md0"}, {Name: "drbd", Device: "drbd0"}}},
		{&record.System{FileSystem: "ext4", Device: "vda"}, 0, []record.Layer{{Name: "ext4"}}},
	} {
		got := Advise(record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Writes: 1, Reached: 1, Failed: c.failed, System: c.s})
		seen := record.Watch{Direct: stablewrite.DirectYes, Changed: 1, Layers: c.layers, System: c.s}
		if want := watch.Advice([]record.Watch{seen}); !slices.Equal(got.Remedies, want) {
			t.Errorf("%+v: %q, watch says %q", c.s, got.Remedies, want)
		}
		want := "Below: " + watch.BelowOf(seen).String() + "."
		if !slices.Contains(got.Said, want) {
			t.Errorf("%+v: %q, want %q", c.s, got.Said, want)
		}
		c.s.Below = "" // a Record with Layers needs no other source
		if got = Advise(record.Probe{Reached: 1, System: c.s, Layers: c.layers}); !slices.Contains(got.Said, want) {
			t.Errorf("%+v: %q, want %q", c.layers, got.Said, want)
		}
	}
}
