package prove

import (
	"fmt"

	"stablepages/bench/record"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// written is how the kernel writes to a stage, and what that rests on.
type written struct {
	how stablewrite.Directness
	by  string // as record.Prove.WrittenBy
}

// Copied reports whether the kernel has a copy of the buffer before it writes.
func Copied(how stablewrite.Directness) bool {
	return how == stablewrite.DirectNo || how == stablewrite.DirectBounced
}

// shownBy is what raw races, gated and free, say of how the kernel writes, whatever
// is assumed: directly if a gated change reached the media or the layer failed. If
// every gated change came too late for that, the kernel had its copy: in the page
// cache, if as many pages as were written got dirty meanwhile, else one of its own.
// A device that takes the data at once makes the same of direct writes, so where
// these are assumed they stay so.
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

// agreed adds to what races showed whose pages a write held, which is unknown where
// nothing can be watched. Each shows it by means that the other has no part in: if
// they differ one is wrong, and that is the error.
func agreed(races written, pages stablewrite.Directness) (written, error) {
	switch {
	case pages == stablewrite.DirectUnknown:
		return races, nil
	case races.by == "":
		return written{pages, record.ByPages}, nil
	case races.how == pages:
		return written{pages, record.ByBoth}, nil
	}
	return races, fmt.Errorf("by gated changes writes are %v, and by whose pages they hold %v: one of the two is wrong here", races.how, pages)
}
