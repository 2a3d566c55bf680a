package prove

import (
	"fmt"
	"slices"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// Verdict is what Records mean.
type Verdict struct {
	Broken       []string // promises that were not kept
	Inconclusive []string // what was not shown, and should have been
}

// Add adds what w says.
func (v *Verdict) Add(w Verdict) {
	v.Broken = append(v.Broken, w.Broken...)
	v.Inconclusive = append(v.Inconclusive, w.Inconclusive...)
}

// Judge holds recs against what the strategies promise, and asks of every layer
// that needs stable pages whether it was seen to fail without them.
func Judge(recs []record.Prove) Verdict {
	var v Verdict
	for _, r := range recs {
		v.judge(r)
	}
	for _, s := range stages(recs) {
		v.shown(s, recs)
		v.shownByPrograms(s, recs)
	}
	return v
}

func (v *Verdict) broken(r record.Prove, format string, args ...any) {
	v.Broken = append(v.Broken, name(r)+": "+fmt.Sprintf(format, args...))
}

func (v *Verdict) inconclusive(r record.Prove, format string, args ...any) {
	v.Inconclusive = append(v.Inconclusive, name(r)+": "+fmt.Sprintf(format, args...))
}

func name(r record.Prove) string {
	return fmt.Sprintf("Linux %s, %s, %s, %s against %v", r.Kernel, r.Victim, r.Scenario, r.Writer(), r.Mutator)
}

func (v *Verdict) judge(r record.Prove) {
	switch Scenario(r.Scenario) {
	case Race:
		v.race(r)
	case Crash, Replay:
		if promised(r) && r.Torn > 0 {
			v.broken(r, "%d of %d crashes left torn blocks", r.Torn, r.Writes)
		}
	case Unmodified:
		v.program(r)
	case Faults:
		if r.Torn > 0 {
			v.broken(r, "%d places are not what the writer was told", r.Torn)
		}
	}
}

func (v *Verdict) race(r record.Prove) {
	bad := r.Torn
	if r.Mismatches != nil {
		bad = max(bad, *r.Mismatches)
	}
	switch {
	case promised(r) && bad > 0:
		v.broken(r, "%d of %d writes torn, %s", r.Torn, r.Writes, mismatches(r))
	case !r.Needs && (Failed(r) > 0 || r.Mismatches != nil && *r.Mismatches > 0):
		v.inconclusive(r, "a control failed: %d of %d writes, %s", Failed(r), r.Writes, mismatches(r))
	case r.Writes == 0 || r.Mutator != mutator.None && r.Overlapped == 0:
		v.inconclusive(r, "no change overlapped a write")
	case r.Strategy.Sums() && r.WriteErrors > r.Refused:
		v.inconclusive(r, "%d of %d writes failed", r.WriteErrors-r.Refused, r.Writes)
	}
}

// crashed reports whether r is of machines whose power was cut.
func crashed(r record.Prove) bool { return r.Scenario == string(Crash) || r.Scenario == string(Replay) }

// promised reports whether no write of r may be torn.
func promised(r record.Prove) bool {
	if crashed(r) {
		p := r.Strategy.Promise()
		return p.Changed && !p.CrashWindow
	}
	return repro.Promised(r.Repro)
}

func mismatches(r record.Prove) string {
	if r.Mismatches == nil {
		return "the victim does not count"
	}
	return fmt.Sprintf("the victim counts %d", *r.Mismatches)
}

// Failed counts the writes of r that the victim itself does not stand by: refused,
// unreadable, or not the same on every leg.
func Failed(r record.Prove) int { return r.ReadErrors + r.WriteErrors - r.Refused + r.Diverged }

// silent counts the writes of r that are torn and that the victim stands by. A
// plain write has no receipt that could be wrong: of a mutator that runs free, the
// change may have come between the harness's sum and the submission.
func silent(r record.Prove) int {
	if r.Strategy == stablewrite.Raw && !r.Gate {
		return 0
	}
	return r.Torn - r.ReadErrors - r.Diverged
}

// stage is a victim under a kernel.
type stage struct{ kernel, victim string }

func stageOf(r record.Prove) stage { return stage{r.Kernel, r.Victim} }

// stages lists those of recs, in order.
func stages(recs []record.Prove) (all []stage) {
	for _, r := range recs {
		if s := stageOf(r); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// shown asks what the Records of a stage together show: that the layer fails
// without the fix, by races and by crashes, and that writes did fail where that was
// what was tried.
func (v *Verdict) shown(s stage, recs []record.Prove) {
	var raw, cuts tally
	reached := 0 // of gated changes
	needs, how, answer := false, written{}, ""
	say := func(format string, args ...any) {
		v.Inconclusive = append(v.Inconclusive, fmt.Sprintf("Linux %s, %s: ", s.kernel, s.victim)+fmt.Sprintf(format, args...))
	}
	for _, r := range recs {
		if stageOf(r) != s {
			continue
		}
		needs = r.Needs
		switch {
		case r.Scenario == string(Race) && r.Strategy == stablewrite.Raw && r.Mutator != mutator.None:
			raw.add(r.Writes, Failed(r))
			how = written{r.Written, r.WrittenBy}
			if r.Gate {
				reached += r.Torn
			}
		case r.Scenario == string(Probing):
			answer = r.Answer
		case crashed(r) && !promised(r):
			cuts.add(r.Writes, Failed(r))
		case r.Scenario == string(Faults) && r.Mutator == mutator.None && !r.Strategy.Detects() && r.WriteErrors == 0:
			say("%s was told of no failed write: none was made to fail", r.Writer())
		}
	}
	switch state := stateOf(raw.failed+reached, raw.n, how); {
	case answer == Open.String() && state == Closed, answer == Closed.String() && state == Open:
		say("probe says that it is %s, and of %d raw writes %d failed and after %d a change in flight was on the media", answer, raw.n, raw.failed, reached)
	}
	switch {
	case Copied(how.how) && raw.failed > 0:
		say("%d of %d raw writes failed, and no gated change reached the media: the gate is too slow here to tell", raw.failed, raw.n)
	case Copied(how.how) && how.by == "":
		say("writes are assumed to be %v, and no race showed it", how.how)
	case !needs && raw.n > 0 && reached == 0:
		say("no change in flight of %d raw writes reached the media: it was not shown to be a control", raw.n)
	case !needs || Copied(how.how):
	case raw.n > 0 && raw.failed == 0:
		say("%d raw writes and no failure: the layer was not shown to need stable pages", raw.n)
	case cuts.n > 0 && cuts.failed == 0:
		say("%d crashes without the fix, or inside its crash window, and no failure: none was shown", cuts.n)
	}
}

// tally counts trials and the failed ones among them.
type tally struct{ n, failed int }

func (t *tally) add(n, failed int) {
	t.n += n
	t.failed += failed
}
