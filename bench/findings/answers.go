package findings

import (
	"fmt"
	"slices"

	"stablepages/bench/mutator"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// headline is v in a line, and its state. Nothing is kept where nothing that is
// promised was put to the test.
func headline(f Findings) (text string, state Mark) {
	res := f.Results
	tested, unseen := len(res.Proofs) > 0, false
	for _, on := range f.On {
		for _, s := range on.races.standings {
			tested = tested || !s.control && s.tested()
			unseen = unseen || s.strategy != stablewrite.Raw && !s.promise.Restored && s.restored.torn > 0
		}
	}
	switch {
	case len(f.Broken) > 0:
		return "A promise was broken", Broken
	case len(f.Inconclusive) > 0:
		return "No promise was broken, and not all was shown", Open
	case tested && unseen:
		return "Every promise was kept; verify does not see changes that are restored", Kept
	case tested:
		return "Every promise was kept", Kept
	case len(res.Races) > 0:
		return "What races show", Plain
	case len(res.Costs) > 0:
		return "What stable writes cost", Plain
	case len(res.Watches) > 0:
		return "What programs change in flight", Plain
	}
	return "What was measured", Plain
}

// answers are those to the questions of a reader who has a minute; none where nothing
// was measured.
func answers(f Findings) (all []Answer) {
	affected, holds := Answer{Question: "Is this stack affected?"}, Answer{Question: "Does the fix hold?"}
	costs, choose := Answer{Question: "What does it cost?"}, Answer{Question: "What to choose?"}
	for _, on := range f.On {
		where := ""
		if len(f.On) > 1 {
			where = on.Name + ": "
		}
		say := func(a *Answer, format string, args ...any) {
			a.Said = append(a.Said, where+fmt.Sprintf(format, args...))
		}
		if r := on.races.standings[raw]; r.all().judged > 0 {
			how := "changed while they were in flight"
			if !on.races.gated {
				how = "were raced by a mutator that runs free"
			}
			verdict := "Not seen"
			if r.all().torn > 0 {
				verdict = "Yes"
			}
			say(&affected, "%s: of %d plain direct writes whose buffers %s, %d were torn.", verdict, r.all().judged, how, r.all().torn)
		}
		fix, b := on.races.standings[verify], on.races.standings[bounce]
		if fix.stays.judged > 0 && fix.restored.torn > 0 {
			say(&holds, "In part.")
		}
		if fix.stays.judged > 0 {
			say(&holds, "verify, the fix of 2011: %v torn where the change stayed.", fix.stays)
		}
		if fix.restored.judged > 0 {
			say(&holds, "verify: %v torn where the change was restored.", fix.restored)
		}
		if b.all().judged > 0 {
			say(&holds, "bounce, a copy of every write: %v torn.", b.all())
			if b.all().torn == 0 {
				say(&choose, "bounce: no change reaches its writes, and by design a crash tears none (not tried here).")
			}
		}
		rest := costsAtRest(on.sets)
		if v, b := rest.of[verify], rest.of[bounce]; v.ratios != nil && b.ratios != nil {
			say(&costs, "With nothing changing verify has %s of the throughput of raw, and bounce %s. Seconds of processor time for each GiB, on top of raw, of writes of %s: verify %s, bounce %s.",
				v.throughput(), b.throughput(), Size(rest.largest), v.added(), b.added())
		}
		if fix.restored.torn > 0 && len(choose.Said) > 0 {
			say(&choose, "verify where memory is scarce and no change is restored: of writes whose change was restored, %v were torn.", fix.restored)
		}
	}
	if text := proofAnswer(f.Results.Proofs); text != "" {
		affected.Said = append(affected.Said, text)
	}
	return slices.DeleteFunc([]Answer{affected, holds, costs, choose}, func(a Answer) bool { return len(a.Said) == 0 })
}

// proofAnswer says what layers that need stable pages made of plain writes, and of
// bounced ones.
func proofAnswer(recs []record.Prove) string {
	var plain, bounced trials
	for _, r := range recs {
		if !r.Needs || r.Scenario != record.Race || prove.Copied(r.Written) || r.Mutator == mutator.None {
			continue
		}
		switch r.Strategy {
		case stablewrite.Raw:
			plain.add(r.Writes, prove.Failed(r))
		case stablewrite.Bounce:
			bounced.add(r.Writes, prove.Failed(r))
		}
	}
	switch {
	case plain.n == 0:
		return ""
	case bounced.n == 0:
		return fmt.Sprintf("Inside stock kernels, layers that need stable pages failed %d of %d plain writes whose buffers changed.", plain.failed, plain.n)
	}
	return fmt.Sprintf("Inside stock kernels, layers that need stable pages failed %d of %d plain writes whose buffers changed, and %d of %d bounced ones.",
		plain.failed, plain.n, bounced.failed, bounced.n)
}
