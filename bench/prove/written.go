package prove

import (
	"fmt"
	"os"
	"strings"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// written is how the kernel writes to a stage, and how that was shown.
type written struct {
	how stablewrite.Directness
	by  string // as record.Prove.WrittenBy
}

// Copied reports whether the kernel has a copy of the buffer before it writes.
func Copied(how stablewrite.Directness) bool {
	return how == stablewrite.DirectNo || how == stablewrite.DirectBounced
}

// shownBy returns how the kernel writes, as raw races show it, gated and free. It writes
// directly if a gated change reached the media, or if the layer failed. If every gated
// change came too late for that, the kernel had made a copy: in the page cache, if as many
// pages got dirty meanwhile as were written, and elsewhere if not. Direct writes to a device
// that takes the data at once look like such a copy, so if writes are assumed to be direct,
// the races show nothing.
func shownBy(raw []record.Prove, dirtied int64) written {
	pages := int64(0)
	assumed := stablewrite.DirectUnknown
	for _, r := range raw {
		pages += int64(r.Writes) * int64(crcguard.Blocks(r.Size))
		assumed = r.Written
		if Failed(r) > 0 || r.Gate && r.Torn > 0 {
			return written{stablewrite.DirectYes, record.ByGate}
		}
	}
	for _, r := range raw {
		if r.Gate && (r.Overlapped < r.Writes || r.Overlapped < fewest) {
			return written{assumed, ""}
		}
	}
	switch {
	case dirtied >= pages/2:
		return written{stablewrite.DirectNo, record.ByGate}
	case assumed != stablewrite.DirectYes:
		return written{stablewrite.DirectBounced, record.ByGate}
	}
	return written{assumed, ""}
}

// dirtied counts how many times a page of the page cache was dirtied since the machine
// booted (proc_vmstat(5)). Beside writes of a MiB, a file system dirties few pages for
// anything but data.
func dirtied() (pages int64, err error) {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "\nnr_dirtied ")
	if _, err := fmt.Sscan(rest, &pages); err != nil {
		return 0, fmt.Errorf("nr_dirtied of /proc/vmstat: %w", err)
	}
	return pages, nil
}

// agreed combines the result of the races with that of watch, which looks at whose pages a
// write holds; it is unknown without eBPF. The two methods share nothing: if their results
// differ, one is wrong, which is an error.
func agreed(races written, pages stablewrite.Directness) (written, error) {
	switch {
	case pages == stablewrite.DirectUnknown:
		return races, nil
	case races.by == "":
		return written{pages, record.ByPages}, nil
	case races.how == pages:
		return written{pages, record.ByBoth}, nil
	}
	return races, fmt.Errorf("according to gated changes writes are %v, according to the pages that they hold %v: one of the two is wrong", races.how, pages)
}
