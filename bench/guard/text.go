package guard

import (
	"fmt"
	"strings"

	"stablepages/bench/record"
)

// Text describes the work of guards, with a line for each of the first files. The last
// line does not end in a newline.
func Text(all []record.Guard, files int) string {
	var sum record.Guard
	for _, g := range all {
		add(&sum, g)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "O_DIRECT was taken from %s", record.Counted(sum.Opens, "open"))
	if sum.Cleared > 0 {
		fmt.Fprintf(&b, " and from %s opened in another way", record.Counted(sum.Cleared, "descriptor"))
	}
	if sum.Refused > 0 {
		fmt.Fprintf(&b, "; refused with ENOSYS: %s", record.Counted(sum.Refused, "call"))
	}
	shown := 0
	for _, g := range all {
		if g.Taken()+g.Refused == 0 {
			continue
		}
		if shown++; shown > files {
			continue
		}
		name := fmt.Sprintf("%s (%d)  %s", record.Printable(g.Comm), g.PID, record.Printable(g.File))
		switch {
		case g.PID == 0:
			name = "others"
		case g.Refused > 0:
			name += "refused"
		}
		fmt.Fprintf(&b, "\n  %d  %s", g.Taken()+g.Refused, name)
	}
	if shown > files {
		fmt.Fprintf(&b, "\n  and %s more", record.Counted(shown-files, "file"))
	}
	return b.String()
}

// add adds the counts of g to sum.
func add(sum *record.Guard, g record.Guard) {
	sum.Opens += g.Opens
	sum.Cleared += g.Cleared
	sum.Refused += g.Refused
}
