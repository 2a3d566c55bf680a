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
	if direct := k.direct(); direct != "" {
		said = append(said, "Direct: "+direct+".")
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

// direct is "yes", "yes, but buffered: no": which strategies reached the media
// without the page cache, as far as that is known.
func (k costKind) direct() string {
	by := map[stablewrite.Directness][]string{}
	for _, c := range k.rows {
		if c.Variant == "" {
			by[c.Direct] = append(by[c.Direct], c.Writer())
		}
	}
	yes, no := by[stablewrite.DirectYes], by[stablewrite.DirectNo]
	switch {
	case len(yes)+len(no) == 0:
		return ""
	case len(no) == 0:
		return "yes"
	case len(yes) == 0:
		return "no"
	}
	return "yes, but " + strings.Join(no, ", ") + ": no"
}
