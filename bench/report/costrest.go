package report

import (
	"fmt"
	"slices"
	"strings"

	"stablepages/bench/cost"
	"stablepages/stablewrite"
)

// rest says of the strategies of k what its table has no column for.
func (k costKind) rest() string {
	var pools []string
	extents := 0
	for _, c := range k.rows {
		if c.Variant == "" && c.PoolPeak > 0 {
			pool := fmt.Sprintf("%s %d", c.Writer(), (c.PoolPeak+1023)>>10)
			if c.Private != "" {
				pool += " (" + c.Private + " pages)"
			}
			pools = append(pools, pool)
		}
		extents = max(extents, c.Extents)
	}
	var said []string
	if len(pools) > 0 {
		said = append(said, "Private memory at most, KiB: "+strings.Join(pools, ", ")+".")
	}
	if written := k.written(); written != "" {
		said = append(said, "Written: "+written+".")
	}
	if engines := k.engines(); engines != "" {
		said = append(said, "Engine: "+engines+".")
	}
	if slices.ContainsFunc(k.rows, func(c cost.Comparison) bool { return strings.HasPrefix(c.Writer(), "fio ") }) {
		said = append(said, "fio: buffers not scrambled.")
	}
	if extents > 0 {
		said = append(said, fmt.Sprintf("Extents: at most %d.", extents))
	}
	return strings.Join(said, " ")
}

// engines is "ring", "ring, but buffered: calls": how submissions went out.
func (k costKind) engines() string {
	var most string
	var others []string
	for _, c := range k.rows {
		switch {
		case c.Variant != "" || c.Engine == "":
		case most == "":
			most = c.Engine
		case c.Engine != most:
			others = append(others, c.Writer()+": "+c.Engine)
		}
	}
	if len(others) > 0 {
		most += ", but " + strings.Join(others, ", ")
	}
	return most
}

// ways says in words how the kernel writes.
var ways = map[stablewrite.Directness]string{
	stablewrite.DirectYes: "directly", stablewrite.DirectBounced: "bounced by the kernel", stablewrite.DirectNo: "through the page cache",
}

// written is "directly", or "directly, but buffered: through the page cache": how
// the kernel writes what strategies give it, as far as that is known.
func (k costKind) written() string {
	var most stablewrite.Directness
	var others []string
	for _, c := range k.rows {
		switch {
		case c.Variant != "" || c.Written == stablewrite.DirectUnknown || c.Written == most:
		case most == stablewrite.DirectUnknown:
			most = c.Written
		default:
			others = append(others, c.Writer()+": "+ways[c.Written])
		}
	}
	if len(others) == 0 {
		return ways[most]
	}
	return ways[most] + ", but " + strings.Join(others, ", ")
}
