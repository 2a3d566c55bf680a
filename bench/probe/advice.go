package probe

import (
	"cmp"
	"fmt"

	"stablepages/bench/record"
	"stablepages/bench/watch"
	"stablepages/stablewrite"
)

// State is the result of a probe.
type State uint8

const (
	NotShown State = iota // nothing was measured, or it showed nothing
	Open                  // a change in flight reached the media, or the layers failed
	Closed                // the kernel has a copy before it writes
)

func (s State) String() string { return [...]string{"not shown", "open", "closed"}[s] }

// StateOf returns the result of p. A measurement overrides an assumption.
func StateOf(p record.Probe) State {
	copies := p.Written == stablewrite.DirectNo || p.Written == stablewrite.DirectBounced
	switch {
	case p.WriteErrors+p.Reached+p.Failed > 0:
		return Open
	case p.Measured != "" && p.Writes == 0:
		return NotShown
	case copies, p.Measured != "" && p.Written == stablewrite.DirectUnknown:
		return Closed
	}
	return NotShown
}

// Advice explains a probe.
type Advice struct {
	Said     []string // paragraphs: is this stack safe, which kernels changed that, what queue/stable_writes means
	Remedies []string // what to do about a program that changes buffers in flight, best first; none on a safe stack
}

// Advise explains p.
func Advise(p record.Probe) (a Advice) {
	state, s := StateOf(p), cmp.Or(p.System, &record.System{})
	below := watch.Below{Layers: layersOf(p), Kernel: s.Kernel}
	a.Said = append(a.Said, verdict(p, below, state))
	if state == Open && len(below.Layers) > 0 {
		a.Said = append(a.Said, "Below: "+below.String()+".")
	}
	if text := histories[s.FileSystem]; text != "" && s.FileSystem+s.Device != "" {
		a.Said = append(a.Said, "Kernels: "+text)
	}
	switch {
	case s.StableWrites != nil && *s.StableWrites:
		a.Said = append(a.Said, "The device asks for stable pages (queue/stable_writes): the kernel does not change page cache pages while they are written. This does not protect direct writes.")
	case s.StableWrites != nil && s.Below != "":
		a.Said = append(a.Said, "queue/stable_writes is 0, yet "+s.Below+" below needs stable pages.")
	}
	if state == Closed {
		a.Said = append(a.Said, "This makes the media consistent, not a program's own checksums: the kernel may copy other bytes than those that the program summed before. A Go program gets a sum of the bytes on the media from stablewrite with strategy bounce.")
		return a
	}
	a.Remedies = watch.Remedies(below)
	return a
}

func verdict(p record.Probe, below watch.Below, state State) string {
	failed := p.WriteErrors + p.Failed
	switch {
	case state == Open && failed > 0 && p.Reached > 0:
		return fmt.Sprintf("Affected: of %d writes whose buffers changed, %d failed or cannot be read back. %d changes in flight reached the media.", p.Writes+p.Free, failed, p.Reached)
	case state == Open && failed > 0:
		return fmt.Sprintf("Affected: of %d writes whose buffers changed, %d failed or cannot be read back.", p.Writes+p.Free, failed)
	case state == Open && below.NeedsStablePages():
		return "Affected: changes in flight reach the media, and break a layer below."
	case state == Open:
		return "Affected in part: changes in flight reach the media, but no layer below is harmed: no write or read fails, and no mirror differs. A program that checksums data, and changes them before their write completes, reads them back with a bad checksum."
	case state == Closed && p.Measured == "" && p.Written == stablewrite.DirectNo:
		return "Not affected: the kernel writes nothing directly here."
	case state == Closed && p.Measured == "":
		return "Not affected, by kernel version and file system; this was not measured."
	case state == Closed && p.Written == stablewrite.DirectBounced:
		return fmt.Sprintf("Not affected: this kernel bounces. It copies the data, and the device reads the copy: of %d changes in flight none reached the media.", p.Writes)
	case state == Closed:
		return fmt.Sprintf("Not affected: the kernel copies the data before it writes, in spite of O_DIRECT: of %d changes in flight none reached the media. stablewrite.Options.RequireDirect refuses such files where the library knows of it.", p.Writes)
	case p.Measured == "":
		return "Not measured. Assume that it is affected."
	case p.Writes == 0:
		return "Inconclusive: no change could be made in flight."
	}
	return fmt.Sprintf("Inconclusive: the kernel should write directly here, yet of %d changes in flight none reached the media. Run stablewrite repro on it for longer.", p.Writes)
}

// histories say, by file system ("" for a block device), which kernel versions changed how
// it is written.
var histories = map[string]string{
	"btrfs": "until Linux 6.14 btrfs wrote the caller's memory, and a block of a file with data checksums that changed in flight reads as EIO. Files with data checksums go through the page cache from 6.15 on, those whose data are mirrored or have parity (dup, raid1, raid5, ...) from 7.0 on; stable kernels from 6.12 on, such as Debian's, do either, too. From 7.3 on btrfs bounces both. All others it writes directly.",
	"xfs":   "from Linux 7.0 on xfs bounces writes to a device that asks for stable pages (protection information, queue/stable_writes). md raid1 does not ask, nor does dm-integrity from 6.18 to 7.2.",
	"ext4":  "up to Linux 7.3 a direct write on ext4 always uses the caller's memory, even if the device asks for stable pages.",
	"":      "up to Linux 7.3 a block device gets the caller's memory. Some layers then copy it: dm-crypt, dm-integrity with a journal, md raid4, raid5 and raid6.",
}
