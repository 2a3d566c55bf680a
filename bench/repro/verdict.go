package repro

import (
	"fmt"
	"strings"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Verdict says what a Record means.
type Verdict struct {
	Outcome Outcome
	Text    string // two lines or more; the first is the verdict
}

// Outcome is the kind of a Verdict.
type Outcome uint8

const (
	Clean        Outcome = iota // no write was torn
	Torn                        // some writes were torn
	Failed                      // writes failed, and none was torn
	Inconclusive                // no change overlapped a write, or nothing was written
)

// Judge returns the Verdict on rec.
func Judge(rec record.Repro) Verdict {
	v := Verdict{Outcome: outcome(rec)}
	lines := []string{counts(rec) + ": " + conclusion(rec, v.Outcome)}
	if n := rec.Overlapped - rec.WriteErrors; v.Outcome == Clean && n > 0 {
		lines = append(lines, fmt.Sprintf("0 of %d such writes torn: the rate is below %s", n, Bound(n)))
	}
	if v.Outcome == Clean && !rec.Buffered && rec.Strategy != stablewrite.Raw {
		const little = ": this result says little unless raw is torn here"
		switch rec.Written {
		case stablewrite.DirectUnknown:
			lines = append(lines, "it is not known how the kernel writes this file"+little)
		case stablewrite.DirectBounced:
			lines = append(lines, "this kernel is assumed to copy the buffer before it writes this file"+little)
		}
	}
	if n := rec.Writes - rec.Tracked; rec.Detect == stablewrite.ByTracking && n > 0 {
		lines = append(lines, fmt.Sprintf("%d of the writes were compared by the digest: their memory is shared with another process, so it was not tracked", n))
	}
	failed := "no read"
	if rec.ReadErrors > 0 {
		failed = record.Counted(rec.ReadErrors, "read")
	}
	v.Text = strings.Join(append(lines, "verdict of the program of 2011, which only looks for failed reads: "+failed+" failed"), "\n")
	return v
}

// Below returns the upper bound, with 95% confidence, of the rate of an event that
// happened in none of n trials: the rule of three.
func Below(n int) string { return fmt.Sprintf("%.3g%%", min(100, 300/float64(max(1, n)))) }

// Bound returns Below and names its rule.
func Bound(n int) string { return Below(n) + " (3/n, 95%)" }

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
	text := fmt.Sprintf("%s, %d %s", record.Counted(rec.Writes, "write"), rec.Overlapped, overlapped)
	for _, c := range []struct {
		n    int
		what string
	}{{rec.Resubmitted, "resubmitted"}, {rec.Refused, "refused by the strategy"}, {rec.WriteErrors - rec.Refused, "refused by the device"}} {
		if c.n > 0 {
			text += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	return fmt.Sprintf("%s, %d torn", text, rec.Torn)
}

func conclusion(rec record.Repro, o Outcome) string {
	who := rec.Strategy.String()
	switch {
	case rec.Detect == stablewrite.ByTracking && rec.Tracked < rec.Writes:
		who += " by the digest, not by tracking,"
	case rec.Detect != stablewrite.ByDigest:
		who += " by " + rec.Detect.String()
	}
	if rec.Buffered {
		who += " through the page cache"
	}
	switch {
	case o == Torn && rec.Mutator == mutator.None:
		return "the media differ though nothing changed the buffer: suspect the device, or another program that writes to it"
	case o == Torn:
		return fmt.Sprintf("%s does not protect against %v", who, rec.Mutator)
	case o == Failed:
		return "the device refused writes"
	case rec.Writes == 0:
		return "inconclusive, nothing was written"
	case o == Inconclusive:
		return "inconclusive, no change overlapped a write; run longer, or use --gate"
	case rec.Mutator == mutator.None:
		return who + " wrote the buffer unchanged"
	case rec.Refused > 0:
		return fmt.Sprintf("%s reported every change by %s that mattered", who, rec.Mutator)
	case !Promised(rec):
		return fmt.Sprintf("%s was not torn by %s in this run, and promises nothing", who, rec.Mutator)
	case rec.Buffered:
		return fmt.Sprintf("%s was not torn by %s", who, rec.Mutator)
	}
	return fmt.Sprintf("%s protected against %s", who, rec.Mutator)
}

// Promised reports whether no write of rec may be torn: because the strategy promises
// it, because nothing changes, or because the kernel copies the buffer.
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
