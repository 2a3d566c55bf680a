package findings

import (
	"stablepages/bench/chart"
	"stablepages/bench/record"
)

// Findings are what Records mean.
type Findings struct {
	Verdict
	Headline string // the Verdict in a line
	State    Mark   // of the headline; Plain where no promise was put to the test
	Answers  []Answer
	Sections []Section
	Doubts   []string // reasons to doubt what Sections show
	Places   []Table  // the systems that the Records come from
	Records  int      // how many, equal races added up

	// Cost shows what strategies cost with nothing changing, and Holes what verify does
	// not see, on the first system where that was measured; nil if it was on none.
	Cost, Holes *Figure

	// On and Results are for formats that machines read.
	On      []System
	Results record.Results
}

// System is what was found on one system.
type System struct {
	Name       string
	System     *record.System
	Races      []record.Repro
	Timings    []record.Cost
	Precisions []record.Precision

	races races
	sets  []costSet
}

// Kinds are the timings of s over all rounds, in order.
func (s System) Kinds() (all []Kind) {
	for _, set := range s.sets {
		all = append(all, set.kinds...)
	}
	return all
}

// Answer is what Records say to a question that a reader begins with.
type Answer struct {
	Question string
	Said     []string // sentences, at least one
}

// Section is a part of what was found.
type Section struct {
	Title   string
	System  string // "" if it is of none, or of several
	Detail  bool   // more than most readers look at
	Text    []string
	Tables  []Table
	Figures []Figure
	Lists   []List
	Notes   []string
}

// List is sentences on one thing.
type List struct {
	Title string
	Items []string
}

// Figure is a chart and the words around it.
type Figure struct {
	Title, Where string
	Note         string // says what the chart shows
	System       string
	Chart        chart.Chart
}

// Of says what res mean.
func Of(res record.Results) Findings {
	f := Findings{On: systems(res), Results: res, Records: res.Len()}
	f.Places, f.Doubts = places(res), doubts(f)
	var details []Section
	for _, on := range f.On {
		f.Verdict.add(on.races.Verdict)
		add := func(to *[]Section, s Section) {
			if len(s.Tables)+len(s.Figures)+len(s.Text) > 0 {
				s.System = on.Name
				for i := range s.Figures {
					s.Figures[i].System = on.Name
				}
				*to = append(*to, s)
			}
		}
		add(&f.Sections, strategiesSection(on))
		for _, gated := range []bool{true, false} {
			add(&f.Sections, matrixSection(on, gated))
		}
		holes := holesSection(on)
		add(&f.Sections, holes)
		if f.Holes == nil && len(holes.Figures) > 0 {
			f.Holes = &holes.Figures[0]
		}
		for _, p := range costPlaces(on) {
			f.Broken = append(f.Broken, p.broken()...)
			costs := costSection(p)
			add(&f.Sections, costs)
			if f.Cost == nil && len(costs.Figures) > 0 {
				f.Cost = &costs.Figures[0]
			}
			add(&details, timedSection(p))
		}
	}
	f.Verdict.add(judgeProofs(res.Proofs))
	f.Sections = append(f.Sections, kernelSections(res.Proofs)...)
	for _, p := range res.Probes {
		f.Sections = append(f.Sections, probeSection(p))
	}
	f.Sections = append(f.Sections, guardSections(res.Guards)...)
	for _, run := range watched(res.Watches) {
		f.Sections = append(f.Sections, watchSection(run))
	}
	f.Sections = append(f.Sections, details...)
	f.Headline, f.State = headline(f)
	f.Answers = answers(f)
	return f
}
