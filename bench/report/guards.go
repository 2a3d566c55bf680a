package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"stablepages/bench/guard"
	"stablepages/bench/prove"
	"stablepages/bench/record"
)

// guardsBySystem parts Records of guards by system, and has those first in each
// that took the most.
func guardsBySystem(all []record.Guard) (parts [][]record.Guard) {
	at := map[*record.System]int{}
	for _, g := range all {
		i, ok := at[g.System]
		if !ok {
			i, at[g.System] = len(parts), len(parts)
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], g)
	}
	for _, part := range parts {
		slices.SortStableFunc(part, func(a, b record.Guard) int { return b.Taken() - a.Taken() })
	}
	return parts
}

// writeGuards writes what guards took, by system.
func writeGuards(out io.Writer, gap string, all []record.Guard) error {
	for _, part := range guardsBySystem(all) {
		fmt.Fprintf(out, "%s%s\n\n", gap, prove.Wrap(describe(part[0].System)))
		gap = "\n"
		for line := range strings.Lines("Guarded: " + guard.Text(part, len(part))) {
			if _, err := fmt.Fprintln(out, prove.Wrap(line)); err != nil {
				return err
			}
		}
	}
	return nil
}
