package findings

import (
	"fmt"
	"strings"

	"stablepages/bench/mutator"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// headline is the verdict of f in a line, and its state. A promise counts as kept only
// if a race tested one.
func headline(f Findings) (text string, state Mark) {
	res := f.Results
	tested, unseen := len(res.Proofs) > 0, false
	for _, on := range f.On {
		for _, s := range on.races.standings {
			tested = tested || !s.control && s.tested()
			unseen = unseen || s.strategy != stablewrite.Raw && !s.promise.Restored && s.restored.k > 0
		}
	}
	switch {
	case len(f.Broken) > 0:
		return "A promise was broken", Broken
	case len(f.Inconclusive) > 0:
		return "No promise was broken, but not all was shown", Open
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

// questions are asked by a reader who has a minute.
var questions = [...]string{"Is this stack affected?", "Does the fix hold?", "What does it cost?", "What to choose?"}

// sentences answer each of the questions.
type sentences [len(questions)][]string

// answers leaves out questions about which nothing was measured. The long names of
// systems come after the finding; after all but the first only where systems differ.
func answers(f Findings) (all []Answer) {
	sum := proofAnswers(f.Results.Proofs)
	for i, question := range questions {
		var here []string
		parts := parted(f.On, func(on System) string { return strings.Join(on.answers("")[i], " ") })
		for _, same := range parts {
			where := stacks(same)
			said := same[0].answers(where)[i]
			if i > 0 && len(said) > 0 && len(parts) > 1 {
				said[len(said)-1] += where
			}
			here = append(here, said...)
		}
		if here = append(here, sum[i]...); here != nil {
			all = append(all, Answer{question, here})
		}
	}
	return all
}

// stacks is " (Linux 6.1, ext4 on vda; Linux 6.12, ext4 on vda)", or "" if nothing is
// known of all.
func stacks(all []System) string {
	var names []string
	for _, on := range all {
		s := *on.System
		if s.CPU, s.CPUs, s.Go = "", 0, ""; s.Kernel+s.Place() != "" {
			names = append(names, s.String())
		}
	}
	if names == nil {
		return ""
	}
	return " (" + strings.Join(names, "; ") + ")"
}

// answers come from the measurements on one system, which the first of them names as where.
func (on System) answers(where string) (all sentences) {
	affected, holds, costs, choose := &all[0], &all[1], &all[2], &all[3]
	say := func(to *[]string, format string, args ...any) { *to = append(*to, fmt.Sprintf(format, args...)) }
	if r := on.races.standings[raw].all(); r.n > 0 {
		how, verdict := "when their buffers changed in flight", "Not seen"
		if !on.races.gated {
			how = "while a free-running mutator changed their buffers"
		}
		if r.k > 0 {
			verdict = "Yes"
		}
		say(affected, "%s: %v plain direct writes%s were torn %s.", verdict, r, where, how)
	}
	fix, copied := on.races.standings[verify], on.races.standings[bounce].all()
	switch {
	case fix.stays.k > 0:
		say(holds, "No.")
	case fix.stays.n > 0 && fix.restored.k > 0:
		say(holds, "In part.")
	}
	*holds = append(*holds, holding("", fix.stays, fix.restored, copied)...)
	if copied.n > 0 && copied.k == 0 {
		say(choose, "bounce: no change reaches its writes, and by design a crash tears none (not tried here).")
		if fix.restored.k > 0 {
			say(choose, "verify only where memory is scarce and no change is restored.")
		}
	}
	if rest := on.atRest(); rest != nil {
		switch v, b := rest.cost(verify), rest.cost(bounce); {
		case !v.timed || !b.timed:
		case rest.noisy():
			say(costs, "%s", noise)
		default:
			say(costs, "With nothing changing, throughput relative to raw: verify %s, bounce %s.", v.throughput, b.throughput)
			say(costs, "Processor time on top of raw, seconds per GiB in writes of %s: verify %s, bounce %s.", Size(rest.largest()), v.added, b.added)
		}
	}
	return all
}

// holding says what became of writes by verify whose change stayed or was restored, and
// of bounced ones.
func holding(where string, stays, restored, copied tally) (all []string) {
	var fix []string
	if stays.n > 0 {
		fix = append(fix, stays.torn()+" if the change stayed")
	}
	if restored.n > 0 {
		fix = append(fix, restored.torn()+" if the change was restored")
	}
	if fix != nil {
		all = append(all, "verify, the fix of 2011"+where+": "+strings.Join(fix, ", ")+".")
	}
	if copied.n > 0 {
		all = append(all, "bounce, a copy of every write"+where+": "+copied.torn()+".")
	}
	return all
}

// proofAnswers come from races inside stock kernels, on layers that need stable pages,
// where the kernel made no copy. They count the writes whose buffers changed in flight.
func proofAnswers(recs []record.Prove) (all sentences) {
	var plain, bounced share // failed, by the layer's account
	var stays, restored, copied tally
	for _, r := range recs {
		if !r.Needs || r.Scenario != record.Race || prove.Copied(r.Written) || r.Mutator == mutator.None {
			continue
		}
		changed := max(r.Overlapped, r.Torn+r.WriteErrors)
		switch {
		case r.Strategy == stablewrite.Raw:
			plain.add(prove.Failed(r), r.Overlapped)
		case r.Strategy == stablewrite.Bounce:
			bounced.add(prove.Failed(r), r.Overlapped)
			copied.add(r.Repro, changed)
		case r.Strategy == stablewrite.Verify && r.Detect == stablewrite.ByDigest && r.Mutator.Restores():
			restored.add(r.Repro, changed)
		case r.Strategy == stablewrite.Verify && r.Detect == stablewrite.ByDigest:
			stays.add(r.Repro, changed)
		}
	}
	if plain.n > 0 {
		text := fmt.Sprintf("Inside stock kernels, layers that need stable pages failed %v plain writes whose buffers changed", plain)
		if bounced.n > 0 {
			text += fmt.Sprintf(", and %v bounced ones", bounced)
		}
		all[0] = []string{text + "."}
	}
	all[1] = holding(", inside stock kernels", stays, restored, copied)
	if bounced.n > 0 && bounced.k+copied.k == 0 {
		all[3] = []string{fmt.Sprintf("bounce: none of its %d changed writes inside stock kernels failed or was torn.", bounced.n)}
	}
	return all
}
