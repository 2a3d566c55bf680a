package stablewrite

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"stablepages/bench/testenv"
)

var update = flag.Bool("update", false, "write what the strategies promise, and what the exploration counted, into PROMISES.md")

// PROMISES.md has the promises of the strategies, and the counts of every schedule, and
// nothing else.
func TestPROMISESShowsThePromisesAndTheExploration(t *testing.T) {
	t.Parallel()
	text := promises(everySchedule())
	if smaller() { // only a part is explored, so the counts differ
		is, err := os.ReadFile("PROMISES.md")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(is), "<!-- promises -->\n")
		section, _, ok := strings.Cut(rest, "<!-- /promises -->")
		if without(section) != without(text) || !ok {
			t.Errorf("PROMISES.md, without counts, says\n%s\nwant\n%s", without(section), without(text))
		}
		return
	}
	testenv.Section(t, "PROMISES.md", "promises", text, *update)
}

// without returns text without counts of schedules.
func without(text string) string { return counted.ReplaceAllString(text, "N") }

var counted = regexp.MustCompile(`[0-9][0-9,]*`)

// promises returns the table of Strategy.Promise, with the counts.
func promises(all []*explored) string {
	var b strings.Builder
	b.WriteString("\n| strategy | does | media = receipt after a change | ... after a change that was restored | crash before Sync |\n|---|---|---|---|---|\n")
	for len(all) > 0 {
		e := all[0].exploration
		var n [2]tally // by whether a change is restored
		for ; len(all) > 0 && all[0].exploration.name == e.name; all = all[1:] {
			for fam := range families {
				n[0].add(all[0].count(fam, false))
				n[1].add(all[0].count(fam, true))
			}
		}
		p := e.promise()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", e.name, e.about, e.changed(p, &n[0]),
			kept(p, p.Restored)+of(n[1].violations, n[1].schedules), e.crash(p, &n))
	}
	b.WriteString("\nDevices:")
	for i, d := range simulatedDevices {
		fmt.Fprint(&b, strings.Repeat(",", min(i, 1)), " ", d.name)
	}
	return b.String() + ".\n\n"
}

func kept(p Promise, yes bool) string {
	switch {
	case !yes:
		return "**no**"
	case p.AfterSync:
		return "yes, after Sync"
	}
	return "yes"
}

func (e *exploration) changed(p Promise, n *tally) string {
	text := kept(p, p.Changed)
	if p.Refuses {
		text += ": it is refused"
	}
	if n.collision > 0 {
		text = "**not** for a page that ends in its own CRC-32C"
	}
	return text + of(n.violations, n.schedules)
}

func (e *exploration) crash(p Promise, n *[2]tally) string {
	text, torn, points := "as any write", 0, 0
	for i := range n {
		torn += n[i].torn[inFlight] + n[i].torn[returned]
		points += n[i].crashes[inFlight] + n[i].crashes[returned]
	}
	switch {
	case p.CrashWindow:
		text = "**torn blocks until Sync**"
	case !e.Strategy.Sums():
		text += "; by a sum taken before"
	}
	return text + of(torn, points)
}

func of(some, all int) string { return fmt.Sprintf(": %s of %s", grouped(some), grouped(all)) }

// grouped writes 1234567 as 1,234,567.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
