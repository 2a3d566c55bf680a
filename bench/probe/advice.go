package probe

import (
	"fmt"
	"strings"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// State is what a probe came to.
type State uint8

const (
	NotShown State = iota // nothing was measured, or it showed nothing
	Open                  // a change in flight reached the media, or the layers failed
	Closed                // the kernel has a copy before it writes
)

func (s State) String() string { return [...]string{"not shown", "open", "closed"}[s] }

// StateOf says what p came to. What was measured goes before what is assumed.
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

// Advice is what follows from a probe.
type Advice struct {
	// Said has a paragraph each: whether this stack is safe, which kernel changed
	// what of it, what to make of queue/stable_writes.
	Said []string
	// Remedies are what to do about a program that changes its buffers while they are
	// written, the first of them that can be done; none where it is safe.
	Remedies []string
}

// Advise says what follows from p.
func Advise(p record.Probe) (a Advice) {
	state := StateOf(p)
	a.Said = append(a.Said, verdict(p, state))
	for _, text := range []string{history(p), attributes(p)} {
		if text != "" {
			a.Said = append(a.Said, text)
		}
	}
	if state == Closed {
		a.Said = append(a.Said, "That mends the media, not a program's receipts: a checksum that a program takes before it writes may be of other bytes than the kernel copied. A Go program that needs such sums takes them of what it writes: stablewrite, strategy bounce.")
		return a
	}
	a.Remedies = remedies(p)
	return a
}

func verdict(p record.Probe, s State) string {
	switch {
	case s == Open && p.WriteErrors+p.Failed > 0:
		return fmt.Sprintf("Affected: of %d writes whose buffers changed, %d were refused or cannot be read back.", p.Writes+p.Free, p.WriteErrors+p.Failed) + reached(p)
	case s == Open:
		return "Affected: what changes in flight reaches the media." + below(p)
	case s == Closed && p.Measured == "" && p.Written == stablewrite.DirectNo:
		return "Not affected: nothing is written directly here."
	case s == Closed && p.Measured == "":
		return "Not affected, if the kernel does as is assumed: nothing was measured."
	case s == Closed && p.Written == stablewrite.DirectBounced:
		return fmt.Sprintf("Not affected: this kernel bounces. It copies what is written and the device reads the copy; of %d changes in flight none reached the media.", p.Writes)
	case s == Closed:
		return fmt.Sprintf("Not affected: the kernel copies before it writes; of %d changes in flight none reached the media. Nothing is gained over buffered writes. A Go program refuses such files with stablewrite.Options.RequireDirect, where that is known.", p.Writes)
	case p.Measured == "":
		return "Not measured. Until then take it for affected."
	case p.Writes == 0:
		return "Not shown: no change could be made in flight."
	}
	return fmt.Sprintf("Not shown: writes are said to be direct, yet no change of %d reached the media. Run repro on it for longer before relying on that.", p.Writes)
}

func reached(p record.Probe) string {
	if p.Reached == 0 {
		return ""
	}
	return fmt.Sprintf(" %d changes in flight reached the media.", p.Reached)
}

// below says what a change that reaches the media breaks.
func below(p record.Probe) string {
	if p.System != nil && p.System.Below != "" {
		return " It breaks what lies below: " + p.System.Below + "."
	}
	return " No layer is known here that it would break, so what is at risk is a program's own checksums."
}

// history says which kernel changed what of a stack like this one.
func history(p record.Probe) string {
	if p.System == nil {
		return ""
	}
	switch p.System.FileSystem {
	case "btrfs":
		return "Kernels: btrfs with data checksums wrote the caller's memory until Linux 6.14, and what changed in flight then reads as EIO; from 6.15 on (and in some stable kernels, as Debian's 6.12) it writes through the page cache, and from 7.3 on it bounces. Without data checksums it writes the caller's memory."
	case "xfs":
		return "Kernels: from Linux 7.0 on xfs bounces what it writes to a device that says it needs stable pages (protection information, queue/stable_writes); md raid1 does not say so, nor dm-integrity from 6.18 to 7.2."
	case "":
		return "Kernels: none has changed anything for block devices: up to Linux 7.3 the device reads the caller's memory."
	case "ext4":
		return "Kernels: none has changed anything for ext4: up to Linux 7.3 the device reads the caller's memory, whatever it needs."
	}
	return ""
}

// attributes says what queue/stable_writes does and does not mean.
func attributes(p record.Probe) string {
	if p.System == nil || p.System.StableWrites == nil {
		return ""
	}
	switch on := *p.System.StableWrites; {
	case on:
		return "The device asks for stable pages (queue/stable_writes): the kernel keeps the page cache still while it is written, which says nothing of direct writes."
	case p.System.Below != "":
		return "That queue/stable_writes is 0 says nothing here: " + p.System.Below + " needs stable pages."
	}
	return ""
}

func remedies(p record.Probe) []string {
	return []string{
		"the program's own switch for buffered I/O, or checksums on: cache=writeback (QEMU), innodb_flush_method (MariaDB)",
		"a copy in between: qemu-nbd over a socket, a loop device without direct I/O",
		"stablewrite run -- COMMAND, whose files then open without O_DIRECT",
		kernelRemedy(p),
		"in a Go program the library: strategy bounce where changes may be restored or a crash must not leave torn blocks, verify where changes are rare and stay",
	}
}

// kernelRemedy names the kernel that bounces on a stack like this one.
func kernelRemedy(p record.Probe) string {
	fs, asks := "", false
	if p.System != nil {
		fs = p.System.FileSystem
		asks = p.System.StableWrites != nil && *p.System.StableWrites || strings.Contains(p.System.Below, "DIF")
	}
	switch {
	case fs == "btrfs":
		return "a kernel that bounces: Linux 7.3"
	case fs == "xfs" && asks:
		return "a kernel that bounces: Linux 7.0, on dm-integrity 7.3"
	default:
		return "a kernel that bounces: none does on this stack; 7.3 does for btrfs with data checksums, and for xfs on a device that says it needs stable pages"
	}
}
