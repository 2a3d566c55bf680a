package repro

import (
	"fmt"
	"strings"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Verdict is what a Record means.
type Verdict struct {
	Outcome Outcome
	Text    string // two lines or three, the first one the verdict
}

// Outcome is the kind of a Verdict.
type Outcome uint8

const (
	Clean        Outcome = iota // no torn write
	Torn                        // some
	Failed                      // writes failed, and none was torn
	Inconclusive                // the mutator never overlapped a write, or nothing was written
)

// Judge says what rec means.
func Judge(rec record.Repro) Verdict {
	v := Verdict{Outcome: outcome(rec)}
	v.Text = counts(rec) + ": " + conclusion(rec, v.Outcome)
	if n := rec.Overlapped - rec.WriteErrors; v.Outcome == Clean && n > 0 {
		v.Text += fmt.Sprintf("\n0 of %d such writes torn bounds the rate below %s, and says no more", n, Bound(n))
	}
	if v.Outcome == Clean && !rec.Buffered && rec.Strategy != stablewrite.Raw {
		v.Text += doubt(rec.Written)
	}
	if rec.Detect == stablewrite.ByTracking && rec.Tracked < rec.Writes {
		v.Text += fmt.Sprintf("\n%d of the writes were not tracked, as their memory is shared with another process: they were compared by the digest", rec.Writes-rec.Tracked)
	}
	v.Text += "\nby the measure of 2011, which only asks whether reading fails: " + original(rec)
	return v
}

// doubt says what a clean race may owe to the kernel in place of the strategy.
func doubt(written stablewrite.Directness) string {
	switch written {
	case stablewrite.DirectUnknown:
		return "\nit is not known how this file is written: only if raw is torn here does that mean anything"
	case stablewrite.DirectBounced:
		return "\nthis kernel is assumed to copy the buffer before it writes this file: only if raw is torn here does that mean anything"
	}
	return ""
}

// Bound is what no event in n trials says of the rate of events, with 95%
// confidence: the rule of three.
func Bound(n int) string { return fmt.Sprintf("%.3g%% (3/n, 95%%)", min(100, 300/float64(max(1, n)))) }

func outcome(rec record.Repro) Outcome {
	switch {
	case rec.Torn > 0:
		return Torn
	case rec.WriteErrors > rec.Refused:
		return Failed
	case rec.Writes == 0, rec.Mutator != mutator.None && rec.Overlapped == 0:
		return Inconclusive
	}
	return Clean
}

// counts is "972 writes, 453 changed in flight, 330 resubmitted, 123 torn".
func counts(rec record.Repro) string {
	overlapped := "overlapped by changes"
	if rec.Gate {
		overlapped = "changed in flight"
	}
	parts := []string{plural(rec.Writes, "write"), fmt.Sprintf("%d %s", rec.Overlapped, overlapped)}
	for _, c := range []struct {
		n    int
		what string
	}{{rec.Resubmitted, "resubmitted"}, {rec.Refused, "refused by the strategy"}, {rec.WriteErrors - rec.Refused, "refused by the device"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("%d torn", rec.Torn)), ", ")
}

func conclusion(rec record.Repro, o Outcome) string {
	who := rec.Strategy.String()
	if rec.Detect != stablewrite.ByDigest {
		who += " by " + rec.Detect.String()
	}
	if rec.Buffered {
		who += " through the page cache"
	}
	switch {
	case o == Torn && rec.Mutator == mutator.None:
		return "the media differ though nothing changed the buffer: the device, or somebody else who writes to it"
	case o == Torn:
		return fmt.Sprintf("%s does not protect against %v", who, rec.Mutator)
	case o == Failed:
		return "the device refused writes"
	case rec.Writes == 0:
		return "inconclusive, nothing was written"
	case o == Inconclusive:
		return "inconclusive, no change overlapped a write; run longer, or use --gate"
	case rec.Mutator == mutator.None:
		return fmt.Sprintf("%s writes what it is given", who)
	case rec.Refused > 0:
		return fmt.Sprintf("%s reported every change by %s that mattered", who, rec.Mutator)
	case !Promised(rec):
		return fmt.Sprintf("%s was not torn by %s in this run, and promises nothing", who, rec.Mutator)
	case rec.Buffered:
		return fmt.Sprintf("%s was not torn by %s", who, rec.Mutator)
	default:
		return fmt.Sprintf("%s protected against %s", who, rec.Mutator)
	}
}

// Promised reports whether no write of rec may be torn: by the promise of its
// strategy, because nothing changes, or because the kernel takes a copy.
func Promised(rec record.Repro) bool {
	promise := rec.Strategy.PromiseBy(rec.Detect)
	switch {
	case rec.Mutator == mutator.None, rec.Buffered:
		return true
	case rec.Mutator.SelfSummed() && promise.Collides:
		return false
	}
	return promise.Holds(rec.Mutator.Restores(), rec.Tracked == rec.Writes)
}

// original is the verdict of the program of 2011.
func original(rec record.Repro) string {
	if rec.ReadErrors > 0 {
		return plural(rec.ReadErrors, "read") + " failed"
	}
	return "no read failed"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
