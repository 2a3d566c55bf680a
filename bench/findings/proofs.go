package findings

import (
	"fmt"
	"strings"

	"stablepages/bench/mutator"
	"stablepages/bench/probe"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/stablewrite"
)

// stage is all that was tried on a victim under a kernel.
type stage []record.Prove

func (s stage) victim() string { return s[0].Victim }

// kernel is the stages under a kernel.
type kernel []stage

func (k kernel) release() string { return k[0][0].Kernel }

// short is the release without the end that all kernels of these packages have.
func (k kernel) short() string { return strings.TrimSuffix(k.release(), "-cloud-amd64") }

// kernels parts recs by kernel and victim, in order of appearance.
func kernels(recs []record.Prove) (all []kernel) {
	for _, of := range parted(recs, func(r record.Prove) string { return r.Kernel }) {
		var k kernel
		for _, s := range parted(of, func(r record.Prove) string { return r.Victim }) {
			k = append(k, s)
		}
		all = append(all, k)
	}
	return all
}

// crashed reports whether r is of machines whose power was cut.
func crashed(r record.Prove) bool {
	return r.Scenario == record.Crash || r.Scenario == record.Replay
}

// promised reports whether no write of r may be torn.
func promised(r record.Prove) bool {
	if crashed(r) {
		p := r.Strategy.Promise()
		return p.Changed && !p.CrashWindow
	}
	return repro.Promised(r.Repro)
}

// trials counts some, and those that failed.
type trials struct{ n, failed int }

func (t *trials) add(n, failed int) {
	t.n += n
	t.failed += failed
}

// shown is what the races of a stage showed.
type shown struct {
	state   probe.State
	written stablewrite.Directness
	by      string // as record.Prove.WrittenBy
	needs   bool
	raw     trials // writes, failed by the layer's account
	changed trials // of raw: those whose buffer was changed
	reached int    // gated changes that were on the media
	// receipts are, under verify against a mutator that restores what it changed, those
	// of changed writes; failed are not true of the media.
	receipts trials
}

// shown adds up the races of s.
func (s stage) shown() (found shown) {
	for _, r := range s {
		if found.needs = r.Needs; r.Scenario != record.Race || r.Mutator == mutator.None {
			continue
		}
		switch {
		case r.Strategy == stablewrite.Raw:
			found.written, found.by = r.Written, r.WrittenBy
			found.raw.add(r.Writes, prove.Failed(r))
			found.changed.add(r.Overlapped, prove.Failed(r))
			if r.Gate {
				found.reached += r.Torn
			}
		case r.Strategy == stablewrite.Verify && r.Mutator.Restores():
			found.receipts.add(r.Overlapped-r.WriteErrors, r.Torn)
		}
	}
	switch {
	case found.raw.failed > 0:
		found.state = probe.Open
	case prove.Copied(found.written) && found.by != "" && found.changed.n > 0:
		found.state = probe.Closed
	}
	return found
}

// judgeProofs compares recs with what the strategies promise, and asks of every layer
// that needs stable pages whether it was seen to fail without them.
func judgeProofs(recs []record.Prove) (v Verdict) {
	for _, r := range recs {
		if r.Scenario == record.Unmodified {
			v.program(r)
		} else {
			v.proof(r)
		}
	}
	for _, k := range kernels(recs) {
		for _, s := range k {
			v.stage(s)
			v.programs(s)
		}
	}
	return v
}

func (v *Verdict) proof(r record.Prove) {
	say := func(lines *[]string, format string, args ...any) {
		who := fmt.Sprintf("Linux %s, %s, %s, %s against %v: ", r.Kernel, r.Victim, r.Scenario, r.Writer(), r.Mutator)
		*lines = append(*lines, who+fmt.Sprintf(format, args...))
	}
	bad, counted := 0, "the victim does not count"
	if r.Mismatches != nil {
		bad, counted = *r.Mismatches, fmt.Sprintf("the victim counts %d", *r.Mismatches)
	}
	switch race := r.Scenario == record.Race; {
	case race && promised(r) && max(r.Torn, bad) > 0:
		say(&v.Broken, "%d of %d writes torn, %s", r.Torn, r.Writes, counted)
	case race && !r.Needs && prove.Failed(r)+bad > 0:
		say(&v.Inconclusive, "a control failed: %d of %d writes, %s", prove.Failed(r), r.Writes, counted)
	case race && (r.Writes == 0 || r.Mutator != mutator.None && r.Overlapped == 0):
		say(&v.Inconclusive, "no change overlapped a write")
	case race && r.Strategy.Sums() && r.WriteErrors > r.Refused:
		say(&v.Inconclusive, "%d of %d writes failed", r.WriteErrors-r.Refused, r.Writes)
	case crashed(r) && promised(r) && r.Torn > 0:
		say(&v.Broken, "%d of %d crashes left torn blocks", r.Torn, r.Writes)
	case r.Scenario == record.Faults && r.Torn > 0:
		say(&v.Broken, "%d places are not what the writer was told", r.Torn)
	}
}

// stage asks what the Records of s together show: that the layer fails without the
// fix, by races and by crashes, and that writes did fail where that was tried.
func (v *Verdict) stage(s stage) {
	say := func(format string, args ...any) {
		v.Inconclusive = append(v.Inconclusive, fmt.Sprintf("Linux %s, %s: ", s[0].Kernel, s.victim())+fmt.Sprintf(format, args...))
	}
	var cuts trials
	answer := ""
	for _, r := range s {
		switch {
		case r.Scenario == record.Probing:
			answer = r.Answer
		case crashed(r) && !promised(r):
			cuts.add(r.Writes, prove.Failed(r))
		case r.Scenario == record.Faults && r.Mutator == mutator.None && !r.Strategy.Detects() && r.WriteErrors == 0:
			say("%s was told of no failed write: none was made to fail", r.Writer())
		}
	}
	found := s.shown()
	copied, open := prove.Copied(found.written), found.state == probe.Open || found.reached > 0
	if answer == probe.Open.String() && !open && found.state == probe.Closed || answer == probe.Closed.String() && open {
		say("probe says that it is %s, and of %d raw writes %d failed and after %d a change in flight was on the media", answer, found.raw.n, found.raw.failed, found.reached)
	}
	switch {
	case copied && found.raw.failed > 0:
		say("%d of %d raw writes failed, and no gated change reached the media: the gate is too slow here to tell", found.raw.failed, found.raw.n)
	case copied && found.by == "":
		say("writes are assumed to be %v, and no race showed it", found.written)
	case !found.needs && found.raw.n > 0 && found.reached == 0:
		say("no change in flight of %d raw writes reached the media: it was not shown to be a control", found.raw.n)
	case !found.needs || copied:
	case found.raw.n > 0 && found.raw.failed == 0:
		say("%d raw writes and no failure: the layer was not shown to need stable pages", found.raw.n)
	case cuts.n > 0 && cuts.failed == 0:
		say("%d crashes without the fix, or inside its crash window, and no failure: none was shown", cuts.n)
	}
}
