package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"stablepages/bench/cost"
	"stablepages/bench/guard"
	"stablepages/bench/mutator"
	"stablepages/bench/probe"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed figure.css
var figureStyle string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what page.html shows.
type page struct {
	Style    template.CSS
	Headline string
	State    string // "kept", "broken", "open", or "" where nothing was judged
	Lede     []string
	Verdict
	Standings []standingsOf
	Sections  []section
	Threats   []string
	Systems   []grid
	Records   int
	Version   int
}

// standingsOf is the standings on a system, which has a name if there are several.
type standingsOf struct {
	Where, Note string
	Grid        grid
}

// section is a part of the page. Its Grids come before its Figures. One that is
// Folded shows its title until it is opened.
type section struct {
	Title, Where string
	Folded       bool
	Text         []string
	Grids        []grid
	Figures      []figure
	Notes        []string
}

// HTML writes res as one page that needs no other file, no network and no script.
func HTML(out io.Writer, res Results) error {
	return pageTemplate.Execute(out, newPage(res))
}

func newPage(res Results) page {
	p := page{Style: template.CSS(figureStyle + pageStyle), Verdict: Judge(res), Threats: threatsTo(res), Records: res.Len(), Version: record.Version}
	all := groups(res)
	for _, g := range all {
		where := ""
		if len(all) > 1 {
			where = describe(g.system)
		}
		p.addGroup(g, where)
	}
	p.Lede = append(p.Lede, proofLede(res.Proofs)...)
	if s := kernelsSection(res.Proofs); s.Text != nil {
		p.Sections = append(p.Sections, s)
	}
	for _, t := range prove.Tables(res.Proofs) {
		p.Sections = append(p.Sections, proofSection(t))
	}
	for _, run := range watchesByRun(res.Watches) {
		p.Sections = append(p.Sections, watchSection(run))
	}
	p.Headline, p.State = headline(res, p.Verdict)
	p.addSystems(res, all)
	for i := range p.Sections {
		for k := range p.Sections[i].Figures {
			p.Sections[i].Figures[k].Drawing.ID = fmt.Sprintf("figure-%d-%d", i+1, k+1)
		}
	}
	return p
}

// headline is the verdict in a line, and its state. Nothing is kept where nothing
// that is promised was put to the test.
func headline(res Results, v Verdict) (text, state string) {
	tested, unseen := len(res.Proofs) > 0, false
	for _, g := range groups(res) {
		for _, s := range judge(g.races).standings {
			tested = tested || s.kept != nil && s.kept.judged+s.kept.refused > 0
			unseen = unseen || s.unpromised != nil && s.unpromised.torn > 0
		}
	}
	switch {
	case len(v.Broken) > 0:
		return "A promise was broken", "broken"
	case len(v.Inconclusive) > 0:
		return "No promise was broken, and not all was shown", "open"
	case tested && unseen:
		return "Every promise was kept; changes that are restored go unseen", "kept"
	case tested:
		return "Every promise was kept", "kept"
	case len(res.Races) > 0:
		return "What races show", ""
	case len(res.Costs) > 0:
		return "What stable writes cost", ""
	case len(res.Watches) > 0:
		return "What programs change in flight", ""
	}
	return "What was measured", ""
}

// addGroup adds what was found on one system.
func (p *page) addGroup(g group, where string) {
	sets := costSets(g.costs)
	p.Lede = append(p.Lede, lede(g, sets)...)
	if s := standings(g, sets); len(s.Bodies) > 0 {
		p.Standings = append(p.Standings, standingsOf{where, standingsNote(g, sets), s})
	}
	sections := []section{matrixSection(g, true), matrixSection(g, false), holeSection(g)}
	for _, at := range sets {
		if at.resting() {
			sections = append(sections, costSection(at))
		}
	}
	for _, p := range costPlaces(g.costs) {
		sections = append(sections, crossoverSection(p))
	}
	for _, at := range sets {
		if at.resting() {
			sections = append(sections, latencySection(at))
		}
	}
	for _, at := range sets {
		if !at.resting() {
			both := costSection(at)
			both.Folded = true
			latency := latencySection(at)
			both.Text, both.Figures = append(both.Text, latency.Text...), append(both.Figures, latency.Figures...)
			sections = append(sections, both)
		}
	}
	for _, s := range sections {
		if len(s.Grids)+len(s.Figures) > 0 {
			s.Where = where
			p.Sections = append(p.Sections, s)
		}
	}
}

// lede is the verdict on one system in a few sentences: what plain writes suffer,
// what becomes of it under the proposal and under the alternative, and what these
// cost.
func lede(g group, sets []costSet) (said []string) {
	found := judge(g.races)
	if found.raw != nil && found.raw.judged > 0 {
		how := "changed while they were in flight"
		if !found.gated {
			how = "were raced by a mutator that runs free"
		}
		said = append(said, fmt.Sprintf("Of %d plain direct writes whose buffers %s, %d were torn.", found.raw.judged, how, found.raw.torn))
	}
	for _, s := range found.standings {
		switch {
		case s.strategy != stablewrite.Verify && s.strategy != stablewrite.Bounce || s.kept == nil || s.kept.judged == 0:
		case s.unpromised == nil:
			said = append(said, fmt.Sprintf("Under %s %v were torn.", s.who(), s.kept))
		default:
			said = append(said, fmt.Sprintf("Under %v, the fix of 2011, %v were torn where the change stayed, and %v where it was restored, which it cannot see.", s.strategy, s.kept, s.unpromised))
		}
	}
	costs := costsAtRest(sets)
	verify, ok := costs[stablewrite.Verify]
	bounce, ok2 := costs[stablewrite.Bounce]
	if ok && ok2 {
		said = append(said, fmt.Sprintf("With nothing changing verify has %s of the throughput of raw, and bounce %s.", span("%.2f", verify.lo, verify.hi), span("%.2f", bounce.lo, bounce.hi)))
	}
	return said
}

// proofLede says what layers that need stable pages made of plain writes, and of
// bounced ones.
func proofLede(recs []record.Prove) (said []string) {
	if len(recs) == 0 {
		return nil
	}
	var failed, writes [2]int
	for _, r := range recs {
		if !r.Needs || r.Scenario != string(prove.Race) || prove.Copied(r.Written) || r.Mutator == mutator.None {
			continue
		}
		for i, s := range []stablewrite.Strategy{stablewrite.Raw, stablewrite.Bounce} {
			if r.Strategy == s {
				failed[i] += prove.Failed(r)
				writes[i] += r.Writes
			}
		}
	}
	if writes[0] > 0 {
		said = append(said, fmt.Sprintf("Inside stock kernels, layers that need stable pages failed %d of %d plain writes whose buffers changed", failed[0], writes[0]))
		if writes[1] > 0 {
			said[0] += fmt.Sprintf(", and %d of %d bounced ones", failed[1], writes[1])
		}
		said[0] += "."
	}
	return said
}

func standingsNote(g group, sets []costSet) string {
	note := ""
	if len(g.races) > 0 {
		note = "Torn: the media differ from the receipt of the write, or cannot be read. What a crash does is what strategies promise, not what was tried here. "
	}
	if rest := atRest(sets); rest != nil {
		note += fmt.Sprintf("Costs are with nothing changing, on %s: medians, from the least to the most; throughput over all sizes and depths, processor time of writes of %s only: of smaller ones it is mostly the kernel's, and noise.", rest.where(), sizeText(rest.largest()))
	}
	return note
}

func matrixSection(g group, gated bool) section {
	m := matrixOf(g.races, gated)
	if len(m.rows) == 0 {
		return section{}
	}
	title, how := "Who changes what", "Every change was made in flight, after the kernel accepted the submission and before its completion was reaped."
	if !gated {
		title += ", running free"
		how = "The mutator ran free, as in 2011: it changed the buffer whenever it did."
	}
	s := section{
		Title: title,
		Text:  []string{"Torn writes of writes, by strategy and by who changes the buffer. " + how, "* torn, and not promised otherwise. ! a broken promise. r the strategy refused changed writes, as it promises."},
		Grids: []grid{m.grid("Torn writes of writes")},
	}
	for _, k := range m.mutators {
		s.Notes = append(s.Notes, k.String()+": "+k.About())
	}
	return s
}

func holeSection(g group) section {
	s := section{Title: "The holes"}
	if curves := holdCurves(g.races); len(curves) > 0 {
		s.Text = append(s.Text, "A block that is changed and changed back between two looks is not seen by verify. How many writes that tears, by how long the change is held (steps, not to scale) and by size; lines are 95% intervals.")
		s.Figures = append(s.Figures, holdFigure(curves, drawingWidth))
	}
	if found := detections(g.races); len(found) > 0 {
		s.Text = append(s.Text, "A page that ends in its own CRC-32C has the same CRC-32C in every version. Detected by CRC-32C alone, as the proposal says, its changes are missed.")
		s.Figures = append(s.Figures, detectionFigure(found))
	}
	if len(g.precisions) > 0 {
		s.Text = append(s.Text, "The media were read before anything was resubmitted. ● precision: of the blocks that were resubmitted, those that were torn. ■ recall: of the torn blocks, those that were resubmitted. A block is torn here if a byte of it differs; in the matrix a write is if its CRC-32C does.")
		s.Figures = append(s.Figures, precisionFigure(g.precisions))
	}
	return s
}

func costSection(of costSet) section {
	s := section{Title: "Cost: " + of.under(), Figures: of.ratioFigures()}
	s.Text = append(s.Text, "Throughput against raw in the same round: median and 95% interval, on a logarithmic axis. At the right processor time per GiB.")
	if of.mutated > 0 {
		s.Text[0] = "Throughput against raw whose writes change as often, in the same round: median and 95% interval, on a logarithmic axis. At the right processor time per GiB."
	}
	switch {
	case of.twoSteps:
		s.Text[0] += " All writers, raw too, submit in two steps here, as where something changes between them."
	case of.mutated > 0 && !of.simulated():
		s.Text[0] += " All writers, raw too, submit in two steps here, so that changes come between them."
	}
	if slices.ContainsFunc(of.kinds, func(k costKind) bool { _, _, ok := k.again(); return ok }) {
		s.Text = append(s.Text, "Shaded: the interval of raw against raw. ○ hollow, and ~ in the data: the interval has 1 in it, or lies within the shade, so the difference may be noise.")
	}
	if axis := of.directAxis(); of.has(func(c cost.Comparison) bool { return c.Ratio > 0 && axis.beyond(c.Ratio) != 0 }) {
		s.Text = append(s.Text, "▸ at the edge: beyond the axis, which is that of direct writes. How fast these are stands beside their name.")
	}
	if lanes := of.lanes(); lanes != "" {
		s.Text = append(s.Text, lanes)
	}
	if reached := of.reached(); reached != "" {
		s.Text = append(s.Text, strings.Join(strings.Fields(reached), " ")+".")
	}
	switch {
	case len(of.strategies()) == 0:
	case of.target == record.OnNull:
		s.Grids = []grid{of.grid()}
	case len(of.kinds) > 1:
		s.Figures = append([]figure{of.glance(drawingWidth)}, s.Figures...)
	}
	return s
}

func latencySection(of costSet) section {
	return section{
		Title: "Latency: " + of.under(), Figures: of.latencyFigures(),
		Text: []string{"From the call of a write to its return, without the Syncs between writes: ● p50, ■ p99, ▲ p99.9, each the median of the rounds. " + fewWrites},
	}
}

const fewWrites = "A quantile is left out where a round had too few writes for it."

// under is "nothing changing, a file, hot buffers".
func (s costSet) under() string { return s.changing() + ", " + s.where() }

func crossoverSection(p costPlace) section {
	s := section{Title: "From which share of changed writes on bounce costs less", Text: []string{
		"Time of verify by that of bounce in the same round, by the share of writes changed in flight (" + p.sets[0].where() + "). Above 1 copying every write costs less. " +
			"● measured, with 95% intervals. The thin line is a model: a straight one from none changed to all. Where it reaches 1 is the share named; shaded is the 95% interval of that. The axis below is one of square roots.",
	}}
	if steps := p.steps(); steps != "" && len(p.crossovers) > 0 {
		s.Text = append(s.Text, steps)
	}
	for _, x := range p.crossovers {
		s.Figures = append(s.Figures, crossoverFigure(x))
	}
	return s
}

// kernelsSection says which stacks are open under which kernel.
func kernelsSection(recs []record.Prove) section {
	s := section{Title: "Kernel by stack", Text: prove.Findings(recs)}
	if m := prove.MatrixOf(recs); len(m.Kernels) > 1 && len(m.Victims) > 0 {
		s.Notes = []string{strings.ReplaceAll(prove.MatrixLegend, "\n", " ")}
		s.Grids = []grid{kernelsGrid(m)}
	}
	return s
}

func proofSection(t prove.Table) section {
	s := section{
		Title: "Inside Linux " + t.Kernel, Notes: t.Notes,
		Text: []string{
			"The same race inside a stock kernel, on layers that need stable pages and on controls that do not. Writes that failed, of writes; free-running and gated ones together.",
			"e the layer says so: a read fails, a write is refused, or legs differ. t the media are not what the receipt says, and the layer stands by them. r the strategy refused changed writes. * no promise covers it. ! a broken promise.",
			"crash: writes cut short, and commits, after which a power cut leaves something unreadable. first: seconds until the first e, on a control and where the kernel copies until the first t.",
		},
	}
	if len(t.Lines) > 0 {
		s.Grids = []grid{proofGrid(t)}
	} else {
		s.Text = nil
	}
	return s
}

// addSystems adds where the Records come from.
func (p *page) addSystems(res Results, all []group) {
	seen := map[*record.System]bool{}
	add := func(s *record.System, more ...[2]string) {
		if seen[s] && len(more) == 0 {
			return
		}
		seen[s] = true
		p.Systems = append(p.Systems, systemGrid(s, more))
	}
	for _, g := range all {
		add(g.system)
	}
	for _, r := range res.Probes {
		add(r.System, [2]string{"probed", r.Path}, [2]string{"advice", strings.Join(probe.Advise(r).Said, " ")})
	}
	for _, run := range watchesByRun(res.Watches) {
		add(run[0].System)
	}
	for _, of := range guardsBySystem(res.Guards) {
		add(of[0].System, [2]string{"guarded", guard.Text(of, len(of))})
	}
}

func systemGrid(s *record.System, more [][2]string) grid {
	stable := "not known"
	if s.StableWrites != nil {
		stable = map[bool]string{true: "yes", false: "no"}[*s.StableWrites]
	}
	g := grid{Caption: describe(s)}
	for _, f := range append([][2]string{
		{"processor", s.CPU}, {"processors", fmt.Sprint(s.CPUs)}, {"kernel", s.Kernel}, {"platform", s.OS + "/" + s.Arch}, {"Go", s.Go},
		{"file system", s.FileSystem}, {"mount options", s.MountOptions}, {"device", s.Device}, {"device asks for stable pages", stable},
	}, more...) {
		if f[1] != "" && f[1] != "/" && f[1] != "0" {
			g.add(f[0], f[1])
		}
	}
	return g
}
