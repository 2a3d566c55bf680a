package report

import (
	"fmt"

	"stablepages/bench/mutator"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// Verdict is what Results mean.
type Verdict = prove.Verdict

// Judge holds res against what the strategies promise.
func Judge(res Results) (v Verdict) {
	for _, g := range groups(res) {
		v.Add(judge(g.races).Verdict)
		for _, s := range costSets(g.costs) {
			v.Broken = append(v.Broken, s.broken()...)
		}
	}
	if len(res.Proofs) > 0 {
		v.Add(prove.Judge(res.Proofs))
	}
	return v
}

// races is what the races of one system show.
type races struct {
	Verdict
	gated     bool // what is counted: gated races, or where there are none, those that ran free
	raw       *tally
	control   *tally // raw through the page cache
	standings []standing
}

// standing is what the races of one strategy, but raw, add up to.
type standing struct {
	strategy         stablewrite.Strategy
	tracked          bool   // by tracking
	kept, unpromised *tally // of races in which no write may be torn, or one may be
}

// who is the strategy, or how it notices changes if that is not its usual way.
func (s standing) who() string {
	if s.tracked {
		return stablewrite.ByTracking.String()
	}
	return s.strategy.String()
}

// judge holds races of one system against what the strategies promise.
func judge(recs []record.Repro) (found races) {
	for _, r := range recs {
		found.hold(r)
		found.gated = found.gated || r.Gate
	}
	recs = alike(recs)
	for _, s := range stablewrite.Strategies() {
		of, tracked := standing{strategy: s}, standing{strategy: s, tracked: true}
		for _, r := range recs {
			by := &of
			if r.Detect == stablewrite.ByTracking {
				by = &tracked
			}
			switch {
			case r.Strategy != s || r.Mutator == mutator.None || r.Gate != found.gated:
			case r.Buffered:
				count(&found.control, r)
			case s == stablewrite.Raw:
				count(&found.raw, r)
			case r.Detect == stablewrite.BySum:
			case repro.Promised(r):
				count(&by.kept, r)
			default:
				count(&by.unpromised, r)
			}
		}
		for _, of := range []standing{of, tracked} {
			if of.kept != nil || of.unpromised != nil {
				found.standings = append(found.standings, of)
			}
		}
	}
	if found.raw != nil && found.raw.torn == 0 {
		found.Inconclusive = append(found.Inconclusive, fmt.Sprintf("raw was torn in %v writes: the race does not happen here, so nothing protected against it; try --dir on ext4 or xfs", found.raw))
	}
	return found
}

// hold holds r alone against what its strategy promises.
func (found *races) hold(r record.Repro) {
	who := fmt.Sprintf("%s against %v", r.Writer(), r.Mutator)
	if r.Mutator != mutator.None && r.Overlapped == 0 {
		how := "was in flight"
		if !r.Gate {
			how = "overlapped a write"
		}
		found.Inconclusive = append(found.Inconclusive, fmt.Sprintf("%s: no change %s", who, how))
	}
	if failures := r.WriteErrors - r.Refused; failures > 0 && r.Strategy != stablewrite.Raw {
		found.Inconclusive = append(found.Inconclusive, fmt.Sprintf("%s: %d of %d writes failed", who, failures, r.Writes))
	}
	if repro.Promised(r) && r.Torn > 0 {
		found.Broken = append(found.Broken, fmt.Sprintf("%s: %d of %d writes torn", who, r.Torn, r.Writes))
	}
}

// tally adds up races.
type tally struct{ torn, judged, refused int }

// count adds r. A change that ran free may have torn a write that it came before:
// then all writes are judged.
func count(t **tally, r record.Repro) {
	if *t == nil {
		*t = new(tally)
	}
	of := r.Writes
	if r.Gate {
		of = r.Overlapped
	}
	(*t).torn += r.Torn
	(*t).judged += max(0, of-r.WriteErrors)
	(*t).refused += r.Refused
}

func (t *tally) String() string {
	if t == nil {
		return "0 of 0"
	}
	return fmt.Sprintf("%d of %d", t.torn, t.judged)
}

// rest is what else is to be said of t.
func (t *tally) rest() (text string) {
	switch {
	case t == nil:
		return ""
	case t.torn == 0 && t.judged > 0:
		text = ", so below " + repro.Bound(t.judged)
	}
	if t.refused > 0 {
		text += fmt.Sprintf("; %d refused", t.refused)
	}
	return text
}

// lines says for people what was found.
func (found races) lines() (lines []string) {
	say := func(who, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("%-9s %s", who+":", fmt.Sprintf(format, args...)))
	}
	if found.raw != nil {
		what := "changed in flight"
		if !found.gated {
			what = "raced by a mutator that runs free"
		}
		say("raw", "%v writes %s torn", found.raw, what)
	}
	for _, s := range found.standings {
		hole := ""
		if s.unpromised != nil {
			hole = fmt.Sprintf(";\n%-9s %v torn if the change was restored (A-B-A)", "", s.unpromised)
		}
		if s.kept != nil && s.kept.judged == 0 && s.kept.refused > 0 {
			say(s.who(), "all %d writes that changed refused%s", s.kept.refused, hole)
			continue
		}
		say(s.who(), "%v torn%s%s", s.kept, s.kept.rest(), hole)
	}
	if found.control != nil {
		say("control", "%v torn, raw writes through the page cache", found.control)
	}
	return lines
}
