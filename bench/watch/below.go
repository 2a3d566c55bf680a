package watch

import (
	"fmt"
	"slices"
	"strings"

	"stablepages/bench/record"
)

// Below is what a direct write passes.
type Below struct {
	Layers []record.Layer // the highest first
	Kernel string         // release
}

// BelowOf returns what is below the writes of r.
func BelowOf(r record.Watch) Below {
	b := Below{Layers: r.Layers}
	if r.System != nil {
		b.Kernel = r.System.Kernel
	}
	return b
}

// effect says how a direct write that changes in flight shows on a layer.
type effect struct {
	how  string
	does int // needs, copies or 0
}

const (
	needs  = 1 // stable pages: the layer sums or mirrors the caller's memory
	copies = 2 // first, so that no layer below sees a change
)

// Asking is the name of a Layer of which nothing else is known, such as a disk over a
// network with checksums.
const Asking = "disk that asks for stable pages"

var effects = map[string]effect{
	"T10 PI":         {"T10 PI needs stable pages: the write fails (EILSEQ), or later reads fail", needs},
	"dm integrity D": {"dm-integrity needs stable pages: its tags do not match, and reads fail (EILSEQ)", needs},
	"dm integrity B": {"dm-integrity needs stable pages: its tags do not match, and reads fail (EILSEQ)", needs},
	"dm integrity":   {"dm-integrity needs stable pages, except in mode J: its tags do not match, and reads fail (EILSEQ)", needs},
	"md raid1":       {"md raid1 needs stable pages: its disks differ (mismatch_cnt), and reads return one or the other", needs},
	"md raid10":      {"md raid10 needs stable pages: its disks differ (mismatch_cnt), and reads return one or the other", needs},
	"dm mirror":      {"dm-mirror needs stable pages: its disks differ, and reads return one or the other", needs},
	"dm raid":        {"dm-raid needs stable pages if it mirrors: its disks differ, and reads return one or the other", needs},
	"drbd":           {"DRBD needs stable pages: its nodes differ, and DRBD only warns", needs},
	Asking:           {"the disk asks for stable pages: what it receives may not match a checksum, or a copy", needs},
	"bcachefs":       {"bcachefs copies first, if it has data checksums", 0},
	"loop, buffered": {"the loop device copies first, into the page cache", copies},
	"dm crypt":       {"dm-crypt copies first, as it encrypts", copies},
	"dm integrity J": {"dm-integrity in mode J copies first, into its journal", copies},
	"md raid4":       {"md raid4 copies first, into its stripes", copies},
	"md raid5":       {"md raid5 copies first, into its stripes", copies},
	"md raid6":       {"md raid6 copies first, into its stripes", copies},
}

// btrfsEffect is the effect on btrfs, with the profile of its data if that is mirrored or
// has parity. A kernel that copies what needs stable pages writes directly only the rest.
func btrfsEffect(profile, kernel string) effect {
	switch {
	case older(kernel, 6, 15):
		return effect{"btrfs needs stable pages if the file has data checksums: the checksums do not match, and reads fail (EIO)", needs}
	case profile != "" && older(kernel, 7, 0):
		return effect{"btrfs " + profile + " needs stable pages: its copies or its parity differ, and reads return one or the other", needs}
	}
	return effect{"this kernel's btrfs copies what needs stable pages, and writes only the rest directly", 0}
}

// older reports whether a release of Linux is older than a version. A release that is not
// known is.
func older(release string, major, minor int) bool {
	var a, b int
	fmt.Sscanf(release, "%d.%d", &a, &b)
	return a < major || a == major && b < minor
}

// met says what a write that changes in flight meets, down to the first layer that copies:
// effects, and the names of the layers that need stable pages.
func (b Below) met() (how, needing []string) {
	for _, l := range b.Layers {
		e := effects[l.Name]
		if fs, profile, _ := strings.Cut(l.Name, " "); fs == "btrfs" {
			e = btrfsEffect(profile, b.Kernel)
		}
		if e.does == needs {
			needing = append(needing, l.Name)
		}
		if e.how != "" && !slices.Contains(how, e.how) {
			how = append(how, e.how)
		}
		if e.does == copies {
			break
		}
	}
	return how, needing
}

// NeedsStablePages reports whether a layer needs stable pages and none above it copies.
func (b Below) NeedsStablePages() bool {
	_, needing := b.met()
	return len(needing) > 0
}

// String lists the layers, and says which of them need stable pages.
func (b Below) String() string {
	path := []string{}
	for _, l := range b.Layers {
		path = append(path, record.Printable(strings.TrimSpace(l.Name+" "+l.Device)))
	}
	if len(path) == 0 {
		path = []string{"a device that is gone"}
	}
	said, needing := b.met()
	if len(needing) == 0 {
		said = append(said, "no layer here sums or mirrors the program's memory: the media hold old and new bytes mixed, which only checksums of the program show")
	}
	return strings.Join(path, ", ") + ": " + strings.Join(said, "; ")
}
