package watch

import (
	"slices"
	"strings"
	"testing"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// below has layers, "name@device".
func below(kernel string, layers ...string) Below {
	b := Below{Kernel: kernel}
	for _, l := range layers {
		name, device, _ := strings.Cut(l, "@")
		b.Layers = append(b.Layers, record.Layer{Name: name, Device: device})
	}
	return b
}

func TestBelowSaysWhatNeedsStablePages(t *testing.T) {
	for _, c := range []struct {
		b     Below
		needs bool
		said  string // parts, in order
	}{
		{below("6.18.1", "ext4", "disk@vda"), false, "ext4, disk vda: no layer here sums or mirrors"},
		{below("6.18.1", "ext4", "md raid1@md0", "disk@sda", "disk@sdb"), true, "disk sdb: md raid1 needs stable pages"},
		{below("6.18.1", "ext4", "loop, buffered@loop0", "ext4", "md raid1@md0"), false, "the loop device copies first, into the page cache; no layer here"},
		{below("6.18.1", "md raid1@md0", "loop, buffered@loop0"), true, "md raid1 needs stable pages|; the loop device copies first"},
		{below("6.18.1", "xfs", Asking+"@nvme0n1"), true, "the disk asks for stable pages"},
		{below("6.18.1"), false, "a device that is gone"},
		{below("6.1.0-56-cloud", "btrfs"), true, "if the file has data checksums"},
		{below("", "btrfs"), true, "if the file has data checksums"},
		{below("6.12.9", "btrfs raid1"), true, "if the file has data checksums"},
		{below("6.15.0", "btrfs"), false, "this kernel's btrfs copies what needs stable pages"},
		{below("6.18.44", "btrfs raid1"), true, "btrfs raid1 needs stable pages"},
		{below("7.0.13", "btrfs raid1"), false, "this kernel's btrfs copies"},
		{below("7.3.4", "btrfs", "md raid1@md0"), true, "this kernel's btrfs copies|md raid1 needs"},
	} {
		text := c.b.String()
		for _, part := range strings.Split(c.said, "|") {
			var ok bool
			if _, text, ok = strings.Cut(text, part); !ok {
				t.Errorf("%v: no %q", c.b, part)
			}
		}
		if c.b.NeedsStablePages() != c.needs {
			t.Errorf("%v: needs stable pages: %t", c.b, !c.needs)
		}
	}
}

// A layer that copies, and another kernel, are advised only if a layer needs stable pages.
func TestRemediesKnowTheStack(t *testing.T) {
	const layer, kernel = "A layer that copies, above ", "A kernel that copies: "
	for _, c := range []struct {
		want  []string // of these two
		below []Below
	}{
		{nil, []Below{below("6.18.1", "ext4", "disk@vda")}},
		{nil, []Below{below("6.18.1", "ext4", "loop, buffered@loop0", "btrfs")}},
		{nil, []Below{below("6.18.1", "btrfs", "disk@vda")}},
		{[]string{layer + "md raid1:", kernel + "none up to Linux 7.3"}, []Below{below("6.18.1", "ext4", "md raid1@md0"), below("6.18.1", "ext4", "disk@vda")}},
		{[]string{layer + "btrfs and md raid1:", kernel + "Linux 6.15", kernel + "none"}, []Below{below("6.1", "md raid1@md0"), below("6.1", "btrfs")}},
		{[]string{layer + "btrfs raid1:", kernel + "Linux 6.15 and later for files with data checksums, 7.0"}, []Below{below("6.18", "btrfs raid1")}},
		{[]string{layer + "dm integrity D:", kernel + "Linux 7.0 and later, on dm-integrity 7.3"}, []Below{below("6.18", "xfs", "dm integrity D@dm-0")}},
		{[]string{layer + "T10 PI:", kernel + "none"}, []Below{below("7.3", "ext4", "T10 PI@sda")}},
	} {
		all := Remedies(c.below...)
		got := slices.DeleteFunc(slices.Clone(all), func(r string) bool { return !strings.HasPrefix(r, "A layer") && !strings.HasPrefix(r, "A kernel") })
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) || len(all) != len(got)+3 {
			t.Errorf("%v: %q, want %q", c.below, all, c.want)
		}
	}
}

// 0 of 3 bounds nothing: 3/3 is 100 %.
func TestAFewWritesDoNotClearAProgram(t *testing.T) {
	for n, want := range map[int64]Outcome{1: Inconclusive, 3: Inconclusive, 4: Clean} {
		if outcome, said := Judge([]record.Watch{{Comm: "few", Bios: 9, Writes: n, Direct: stablewrite.DirectYes}}); outcome != want {
			t.Errorf("%d: %s", n, said)
		}
	}
}

func TestAProgramThatDoesNotWriteIsNamed(t *testing.T) {
	outcome, said := Judge([]record.Watch{{Comm: "nosuch", Bios: 9}})
	if outcome != Inconclusive || !strings.Contains(said, "no program named nosuch wrote directly. Is one running") {
		t.Errorf("%v: %s", outcome, said)
	}
}
