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

// String is "Linux 6.1.0-56-cloud-amd64, btrfs".
func (s stage) String() string { return fmt.Sprintf("Linux %s, %s", s[0].Kernel, s.victim()) }

// kernel is the stages under a kernel.
type kernel []stage

func (k kernel) release() string { return k[0][0].Kernel }

// short is the release without the suffix that all kernels of these packages have.
func (k kernel) short() string { return strings.TrimSuffix(k.release(), "-cloud-amd64") }

// kernels groups recs by kernel and victim, in order of appearance.
func kernels(recs []record.Prove) (all []kernel) {
	for _, same := range parted(recs, func(r record.Prove) string { return r.Kernel }) {
		var k kernel
		for _, s := range parted(same, func(r record.Prove) string { return r.Victim }) {
			k = append(k, s)
		}
		all = append(all, k)
	}
	return all
}

func crashed(r record.Prove) bool {
	return r.Scenario == record.Crash || r.Scenario == record.Replay
}

// promised reports whether a promise excludes torn writes in r.
func promised(r record.Prove) bool {
	if crashed(r) {
		p := r.Strategy.Promise()
		return p.Changed && !p.CrashWindow
	}
	return repro.Promised(r.Repro)
}

// shown has the conclusions from the races of a stage.
type shown struct {
	state   probe.State
	written stablewrite.Directness
	by      string // as record.Prove.WrittenBy
	needs   bool
	raw     share // raw writes that failed by the layer's account
	changed share // the same, of those whose buffer was changed
	reached int   // gated changes that reached the media
	// receipts counts receipts of verify for changed writes whose change was restored; k
	// of them differ from the media.
	receipts share
}

func (s stage) shown() (found shown) {
	for _, r := range s {
		if found.needs = r.Needs; r.Scenario != record.Race || r.Mutator == mutator.None {
			continue
		}
		switch {
		case r.Strategy == stablewrite.Raw:
			found.written, found.by = r.Written, r.WrittenBy
			found.raw.add(prove.Failed(r), r.Writes)
			found.changed.add(prove.Failed(r), r.Overlapped)
			if r.Gate {
				found.reached += r.Torn
			}
		case r.Strategy == stablewrite.Verify && r.Mutator.Restores():
			found.receipts.add(r.Torn, r.Overlapped-r.WriteErrors)
		}
	}
	switch {
	case found.raw.k > 0:
		found.state = probe.Open
	case prove.Copied(found.written) && found.by != "" && found.changed.n > 0:
		found.state = probe.Closed
	}
	return found
}

// judgeProofs compares recs with what the strategies promise, and checks that every
// layer that needs stable pages was seen to fail without them.
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
	who := fmt.Sprintf("%v, %s, %s against %v", stage{r}, r.Scenario, writerOf(r.Repro), r.Mutator)
	bad, counted := 0, "the victim does not count"
	if r.Mismatches != nil {
		bad, counted = *r.Mismatches, fmt.Sprintf("the victim counts %d", *r.Mismatches)
	}
	switch race := r.Scenario == record.Race; {
	case race && promised(r) && max(r.Torn, bad) > 0:
		say(&v.Broken, who, "%d of %d writes torn, %s", r.Torn, r.Writes, counted)
	case race && !r.Needs && prove.Failed(r)+bad > 0:
		say(&v.Inconclusive, who, "a control failed: %d of %d writes, %s", prove.Failed(r), r.Writes, counted)
	case race && (r.Writes == 0 || r.Mutator != mutator.None && r.Overlapped == 0):
		say(&v.Inconclusive, who, "no change overlapped a write")
	case race && r.Strategy.Sums() && r.WriteErrors > r.Refused:
		say(&v.Inconclusive, who, "%d of %d writes failed", r.WriteErrors-r.Refused, r.Writes)
	case crashed(r) && promised(r) && r.Torn > 0:
		say(&v.Broken, who, "%d of %d crashes left torn blocks", r.Torn, r.Writes)
	case r.Scenario == record.Faults && r.Torn > 0:
		say(&v.Broken, who, "the media differ in %d places from what the writer was told", r.Torn)
	}
}

// stage checks what the Records of s together must show: that the layer fails without
// the fix, in races and in crashes, and that writes failed where faults were injected.
func (v *Verdict) stage(s stage) {
	doubt := func(format string, args ...any) { say(&v.Inconclusive, s.String(), format, args...) }
	var cuts share
	answer := ""
	for _, r := range s {
		switch {
		case r.Scenario == record.Probing:
			answer = r.Answer
		case crashed(r) && !promised(r):
			cuts.add(prove.Failed(r), r.Writes)
		case r.Scenario == record.Faults && r.Mutator == mutator.None && !r.Strategy.Detects() && r.WriteErrors == 0:
			doubt("no write by %s failed, so no fault was injected", r.Writer())
		}
	}
	found := s.shown()
	copied, open := prove.Copied(found.written), found.state == probe.Open || found.reached > 0
	if answer == probe.Open.String() && !open && found.state == probe.Closed || answer == probe.Closed.String() && open {
		doubt("probe says that it is %s, but %v raw writes failed, and %d gated changes reached the media", answer, found.raw, found.reached)
	}
	switch {
	case copied && found.raw.k > 0:
		doubt("%v raw writes failed, and no gated change reached the media: the gate is too slow here to tell", found.raw)
	case copied && found.by == "":
		doubt("writes are assumed to be %v, and no race showed it", found.written)
	case !found.needs && found.raw.n > 0 && found.reached == 0:
		doubt("no change in flight of %d raw writes reached the media: it was not shown to be a control", found.raw.n)
	case !found.needs || copied:
	case found.raw.n > 0 && found.raw.k == 0:
		doubt("%d raw writes and no failure: the layer was not shown to need stable pages", found.raw.n)
	case cuts.n > 0 && cuts.k == 0:
		doubt("%d crashes without the fix, or inside its crash window, and no failure: the crash window was not shown", cuts.n)
	}
}
