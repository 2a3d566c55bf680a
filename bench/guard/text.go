package guard

import (
	"fmt"
	"strings"

	"stablepages/bench/record"
)

// Text says what guards did, by file, in the order of all and for at most so many
// files, in lines of which the last has no end.
func Text(all []record.Guard, files int) string {
	var sum record.Guard
	for _, g := range all {
		sum.Opens += g.Opens
		sum.Cleared += g.Cleared
		sum.Refused += g.Refused
	}
	var b strings.Builder
	fmt.Fprintf(&b, "O_DIRECT was taken from %s", counted(sum.Opens, "open"))
	if sum.Cleared > 0 {
		fmt.Fprintf(&b, " and from %s that came otherwise", counted(sum.Cleared, "descriptor"))
	}
	if sum.Refused > 0 {
		fmt.Fprintf(&b, "; refused with ENOSYS: %s", counted(sum.Refused, "call"))
	}
	shown := 0
	for _, g := range all {
		if g.Taken()+g.Refused == 0 {
			continue
		}
		if shown++; shown <= files {
			what := fmt.Sprintf("%s (%d)  %s", record.Printable(g.Comm), g.PID, record.Printable(g.File))
			switch {
			case g.PID == 0:
				what = "others"
			case g.Refused > 0:
				what += "refused"
			}
			fmt.Fprintf(&b, "\n  %d  %s", g.Taken()+g.Refused, what)
		}
	}
	if shown > files {
		fmt.Fprintf(&b, "\n  and %s more", counted(shown-files, "file"))
	}
	return b.String()
}

func counted(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
