package evaluate

import (
	"fmt"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// Verdict is what the races of an evaluation mean.
type Verdict struct {
	Broken       []string // promises that were not kept
	Inconclusive []string // what was not shown, and should have been
	Lines        []string // for people
}

// tally adds up races.
type tally struct{ torn, judged, refused int }

func (t *tally) add(r record.Repro) {
	t.torn += r.Torn
	t.judged += max(0, r.Overlapped-r.WriteErrors)
	t.refused += r.Refused
}

func (t tally) String() string { return fmt.Sprintf("%d of %d", t.torn, t.judged) }

// Judge holds races against what the strategies promise.
func Judge(races []record.Repro) Verdict {
	var v Verdict
	var raw, control tally
	var kept, unpromised = map[stablewrite.Strategy]*tally{}, map[stablewrite.Strategy]*tally{}
	for _, r := range races {
		w, k := rowOf(r), r.Mutator
		if k != mutator.None && r.Overlapped == 0 {
			v.Inconclusive = append(v.Inconclusive, fmt.Sprintf("%v against %v: no change was in flight", w, k))
		}
		if failures := r.WriteErrors - r.Refused; failures > 0 && w.strategy != stablewrite.Raw {
			v.Inconclusive = append(v.Inconclusive, fmt.Sprintf("%v against %v: %d of %d writes failed", w, k, failures, r.Writes))
		}
		if repro.Promised(r) && r.Torn > 0 {
			v.Broken = append(v.Broken, fmt.Sprintf("%v against %v: %d of %d writes torn", w, k, r.Torn, r.Writes))
		}
		switch {
		case k == mutator.None:
		case w.buffered:
			control.add(r)
		case w.strategy == stablewrite.Raw:
			raw.add(r)
		case w.detect == stablewrite.ByDigest:
			into := kept
			if !repro.Promised(r) {
				into = unpromised
			}
			if into[w.strategy] == nil {
				into[w.strategy] = new(tally)
			}
			into[w.strategy].add(r)
		}
	}
	if raw.torn == 0 {
		v.Inconclusive = append(v.Inconclusive, fmt.Sprintf("raw was torn in %v writes: the race does not happen here, so nothing protected against it; try --dir on ext4 or xfs", raw))
	}
	v.say("without the fix", "raw: %v writes changed in flight were torn", raw)
	for _, s := range stablewrite.Strategies() {
		if t := kept[s]; t != nil {
			v.say("with "+s.String(), "%v torn where none is promised%s%s", *t, t.rest(), hole(unpromised[s]))
		}
	}
	v.say("control", "raw through the page cache: %v torn, of which none may be", control)
	return v
}

// rest is what else is to be said of t.
func (t tally) rest() (text string) {
	if t.torn == 0 && t.judged > 0 {
		text = ", so below " + repro.Bound(t.judged)
	}
	if t.refused > 0 {
		text += fmt.Sprintf("; %d refused", t.refused)
	}
	return text
}

// hole is what a strategy does not promise and did.
func hole(t *tally) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf(";\n%-16s %v torn where the change was restored (A-B-A), which it cannot see", "", *t)
}

func (v *Verdict) say(who, format string, args ...any) {
	v.Lines = append(v.Lines, fmt.Sprintf("%-16s %s", who, fmt.Sprintf(format, args...)))
}
