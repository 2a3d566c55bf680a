package probe

import (
	"fmt"
	"strings"

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

// Advice is what follows from a probe.
type Advice struct {
	// Said has up to three paragraphs: whether this stack is safe, which kernel
	// changed that, and how to read queue/stable_writes.
	Said []string
	// Remedies lists, best first, what to do about a program that changes its buffers
	// in flight. It is empty where the stack is safe.
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
		a.Said = append(a.Said, "This makes the media consistent, not a program's own checksums: the kernel may copy other bytes than those the program summed before. A Go program gets a sum of the bytes on the media from stablewrite with strategy bounce.")
		return a
	}
	fs, needs := "", false
	if p.System != nil {
		fs = p.System.FileSystem
		needs = p.System.StableWrites != nil && *p.System.StableWrites || strings.Contains(p.System.Below, "DIF")
	}
	a.Remedies = watch.Remedies(watch.Kernel(fs, needs))
	return a
}

func verdict(p record.Probe, s State) string {
	switch {
	case s == Open && p.WriteErrors+p.Failed > 0:
		return fmt.Sprintf("Affected: of %d writes whose buffers changed, %d failed or cannot be read back.", p.Writes+p.Free, p.WriteErrors+p.Failed) + reached(p)
	case s == Open:
		return "Affected: changes in flight reach the media." + below(p)
	case s == Closed && p.Measured == "" && p.Written == stablewrite.DirectNo:
		return "Not affected: the kernel writes nothing directly here."
	case s == Closed && p.Measured == "":
		return "Not affected, by kernel version and file system; this was not measured."
	case s == Closed && p.Written == stablewrite.DirectBounced:
		return fmt.Sprintf("Not affected: this kernel bounces. It copies the data, and the device reads the copy: of %d changes in flight none reached the media.", p.Writes)
	case s == Closed:
		return fmt.Sprintf("Not affected: the kernel copies the data before it writes, in spite of O_DIRECT: of %d changes in flight none reached the media. stablewrite.Options.RequireDirect refuses such files where the library knows of it.", p.Writes)
	case p.Measured == "":
		return "Not measured. Assume that it is affected."
	case p.Writes == 0:
		return "Inconclusive: no change could be made in flight."
	}
	return fmt.Sprintf("Inconclusive: the kernel should write directly here, yet of %d changes in flight none reached the media. Run stablewrite repro on it for longer.", p.Writes)
}

func reached(p record.Probe) string {
	if p.Reached == 0 {
		return ""
	}
	return fmt.Sprintf(" %d changes in flight reached the media.", p.Reached)
}

// below names the layer that a change in flight breaks.
func below(p record.Probe) string {
	if p.System != nil && p.System.Below != "" {
		return " They break the layer below: " + p.System.Below + "."
	}
	return " No layer that they would break was found below; programs' own checksums are at risk."
}

// history says which kernel version changed how this file system writes.
func history(p record.Probe) string {
	if p.System == nil {
		return ""
	}
	switch p.System.FileSystem {
	case "btrfs":
		return "Kernels: until Linux 6.14 btrfs with data checksums wrote the caller's memory, and a block that changed in flight reads as EIO. From 6.15 on (and in some stable kernels, such as Debian's 6.12) it writes through the page cache, from 7.3 on it bounces. Without data checksums it writes the caller's memory."
	case "xfs":
		return "Kernels: from Linux 7.0 on xfs bounces writes to a device that asks for stable pages (protection information, queue/stable_writes). md raid1 does not ask, nor does dm-integrity from 6.18 to 7.2."
	case "":
		return "Kernels: up to Linux 7.3 a direct write to a block device always uses the caller's memory."
	case "ext4":
		return "Kernels: up to Linux 7.3 a direct write on ext4 always uses the caller's memory, even if the device asks for stable pages."
	}
	return ""
}

// attributes explains queue/stable_writes.
func attributes(p record.Probe) string {
	if p.System == nil || p.System.StableWrites == nil {
		return ""
	}
	switch on := *p.System.StableWrites; {
	case on:
		return "The device asks for stable pages (queue/stable_writes): the kernel does not change page cache pages while they are written. This does not protect direct writes."
	case p.System.Below != "":
		return "queue/stable_writes is 0, yet " + p.System.Below + " below needs stable pages."
	}
	return ""
}
