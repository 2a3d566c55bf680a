package findings

import (
	"cmp"
	"slices"

	"stablepages/bench/chart"
	"stablepages/bench/record"
)

// Findings are the conclusions from Records.
type Findings struct {
	Verdict
	Headline string // the Verdict in a line
	State    Mark   // of the headline; Plain if no promise was tested
	Answers  []Answer
	Sections []Section
	Doubts   []string // reasons to doubt the Sections
	Places   []Table  // the systems that the Records come from
	Records  int      // their number; equal races are one Record

	// Cost shows the cost of strategies with nothing changing, and Holes what verify
	// does not see, both on the first system that measured it; nil if none did.
	Cost, Holes *Figure

	// On and Results are for formats that machines read.
	On      []System
	Results record.Results
}

// System has the measurements on one system.
type System struct {
	Name       string
	System     *record.System
	Races      []record.Repro
	Timings    []record.Cost
	Precisions []record.Precision

	races races
	sets  []costSet
}

// Kinds are the timings of s, summarized over their rounds, in order.
func (s System) Kinds() []Kind {
	return slices.Concat(each(s.sets, func(set costSet) []Kind { return set.kinds })...)
}

// Answer answers a question that a reader begins with.
type Answer struct {
	Question string
	Said     []string // sentences, at least one
}

// Section is a part of a report.
type Section struct {
	Title   string
	System  string // "" if it belongs to no system, or to several
	Detail  bool   // most readers skip it
	Text    []string
	Tables  []Table
	Figures []Figure
	Lists   []List
	Notes   []string
}

// List is sentences about one thing.
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
		holes := holesSection(on)
		f.Holes = cmp.Or(f.Holes, holes.figure())
		f.Sections = append(f.Sections, on.named(strategiesSection(on), matrixSection(on, true), matrixSection(on, false), holes)...)
		for _, p := range costPlaces(on) {
			f.Broken = append(f.Broken, p.broken()...)
			costs := costSection(p)
			f.Cost = cmp.Or(f.Cost, costs.figure())
			f.Sections = append(f.Sections, on.named(costs)...)
			details = append(details, on.named(timedSection(p))...)
		}
	}
	f.Verdict.add(judgeProofs(res.Proofs))
	f.Sections = append(f.Sections, kernelSections(res.Proofs)...)
	f.Sections = slices.Concat(f.Sections, each(res.Probes, probeSection), guardSections(res.Guards),
		each(watched(res.Watches), watchSection), details)
	f.Headline, f.State = headline(f)
	f.Answers = answers(f)
	return f
}

func (s Section) figure() *Figure {
	if len(s.Figures) == 0 {
		return nil
	}
	return &s.Figures[0]
}

// named drops empty sections, and writes the name of on into the others and their figures.
func (on System) named(all ...Section) (kept []Section) {
	for _, s := range all {
		if len(s.Tables)+len(s.Figures)+len(s.Text) == 0 {
			continue
		}
		s.System = on.Name
		for i := range s.Figures {
			s.Figures[i].System = on.Name
		}
		kept = append(kept, s)
	}
	return kept
}
