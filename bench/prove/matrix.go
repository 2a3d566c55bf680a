package prove

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// State is what races showed of a stage: a layer, or a stack of them, under a kernel.
type State uint8

const (
	NotShown State = iota // nothing failed, and the kernel was not shown to have a copy
	Open                  // a raw write failed whose buffer had changed
	Closed                // none did, and the kernel was shown to have a copy before the change
)

func (s State) String() string { return [...]string{"not shown", "open", "closed"}[s] }

// stateOf is what raw writes showed of which so many failed, or were seen to carry a
// change in flight to the media.
func stateOf(failed, writes int, how written) State {
	switch {
	case failed > 0:
		return Open
	case Copied(how.how) && how.by != "" && writes > 0:
		return Closed
	}
	return NotShown
}

// Standing is a stage and what raw writes to it came to.
type Standing struct {
	Victim  string
	Needs   bool
	State   State
	Written stablewrite.Directness
	Writes  int // raw ones whose buffer was changed
	Failed  int // of these, by the layer's own account
	// Receipts and False count, under Verify against a mutator that restores what it
	// changed, the changed writes that returned one, and those of them whose media
	// are not what it says.
	Receipts, False int
}

// standings lists the stages of a kernel in order of appearance.
func standings(kernel string, recs []record.Prove) (all []Standing) {
	for _, s := range stages(recs) {
		if s.kernel != kernel {
			continue
		}
		st := Standing{Victim: s.victim}
		by := ""
		for _, r := range recs {
			if stageOf(r) != s || r.Scenario != string(Race) || r.Mutator == mutator.None {
				continue
			}
			st.Needs, by = r.Needs, r.WrittenBy
			st.Written = r.Written
			switch {
			case r.Strategy == stablewrite.Raw:
				st.Writes += r.Overlapped
				st.Failed += Failed(r)
			case r.Strategy == stablewrite.Verify && r.Mutator.Restores():
				st.Receipts += r.Overlapped - r.WriteErrors
				st.False += r.Torn
			}
		}
		st.State = stateOf(st.Failed, st.Writes, written{st.Written, by})
		if st.Writes > 0 {
			all = append(all, st)
		}
	}
	return all
}

// Sentence says in one sentence what raw writes came to under a kernel, on the
// layers that need stable pages.
func Sentence(kernel string, recs []record.Prove) string {
	ways := map[string][]string{}
	closed := map[string]int{} // changed writes
	for _, s := range standings(kernel, recs) {
		if !s.Needs {
			continue
		}
		switch s.State {
		case Open:
			ways["open"] = append(ways["open"], fmt.Sprintf("%s (%d of %d)", s.Victim, s.Failed, s.Writes))
		case Closed:
			way := "the page cache"
			if s.Written == stablewrite.DirectBounced {
				way = "bounces"
			}
			ways[way] = append(ways[way], s.Victim)
			closed[way] += s.Writes
		default:
			ways[""] = append(ways[""], s.Victim)
		}
	}
	var said []string
	if names := ways["bounces"]; names != nil {
		said = append(said, fmt.Sprintf("it bounces direct writes to %s, and of %d whose buffers changed none failed", series(names), closed["bounces"]))
	}
	if names := ways["the page cache"]; names != nil {
		said = append(said, fmt.Sprintf("it takes direct writes to %s through the page cache, and of %d whose buffers changed none failed", series(names), closed["the page cache"]))
	}
	if names := ways["open"]; names != nil {
		said = append(said, "the device reads the caller's memory on "+series(names)+": so many of the changed writes were refused, cannot be read back, or left mirrors different")
	}
	if names := ways[""]; names != nil {
		said = append(said, "nothing was shown on "+series(names))
	}
	if said == nil {
		return ""
	}
	return "Linux " + short(kernel) + ": " + strings.Join(said, "; ") + "."
}

// Receipts says what a kernel that copies does to receipts, over all kernels; ""
// if none of them copies, or no receipt was false.
func Receipts(recs []record.Prove) string {
	var of tally
	var where []string
	for _, k := range kernels(recs) {
		for _, s := range standings(k, recs) {
			if s.State != Closed || s.False == 0 {
				continue
			}
			of.add(s.Receipts, s.False)
			where = append(where, s.Victim+" on "+short(k))
		}
	}
	if of.failed == 0 {
		return ""
	}
	return fmt.Sprintf("A kernel that copies mends the media, not a program's receipts: of writes by verify whose buffer was changed and changed back, %d of %d receipts are not true of the media (%s).",
		of.failed, of.n, series(where))
}

// series is "a", "a and b", "a, b and c".
func series(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// short is a release without what all kernels of these packages end in.
func short(kernel string) string { return strings.TrimSuffix(kernel, "-cloud-amd64") }

// Matrix is what became of writes to each victim under each kernel.
type Matrix struct {
	Kernels []string
	Victims []MatrixVictim
}

// MatrixVictim has, for each kernel of a Matrix, how it writes there, and for each
// writer what became of its writes. Nothing is "".
type MatrixVictim struct {
	Victim  string
	Written []string
	Writers []MatrixWriter
}

// MatrixWriter is a writer's row.
type MatrixWriter struct {
	Writer string
	Cells  []string // "open 12e3t/80", "closed 0/80"
}

// MatrixOf makes the Matrix of recs, of writers without variants.
func MatrixOf(recs []record.Prove) Matrix {
	m := Matrix{Kernels: kernels(recs)}
	var names []string
	for _, s := range stages(recs) {
		if !slices.Contains(names, s.victim) {
			names = append(names, s.victim)
		}
	}
	for _, name := range names {
		v := MatrixVictim{Victim: name, Written: make([]string, len(m.Kernels))}
		for i, k := range m.Kernels {
			at := slices.IndexFunc(standings(k, recs), func(s Standing) bool { return s.Victim == name })
			if at >= 0 {
				v.Written[i] = standings(k, recs)[at].Written.String()
			}
		}
		for _, s := range []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Bounce} {
			w := MatrixWriter{Writer: s.String(), Cells: make([]string, len(m.Kernels))}
			tried := false
			for i, k := range m.Kernels {
				w.Cells[i] = matrixCell(stage{k, name}, s, recs)
				tried = tried || w.Cells[i] != ""
			}
			if tried {
				v.Writers = append(v.Writers, w)
			}
		}
		v.Writers = append(v.Writers, programWriters(m.Kernels, name, recs)...)
		if len(v.Writers) > 0 {
			m.Victims = append(m.Victims, v)
		}
	}
	return m
}

// matrixCell adds up the races of a strategy on a stage.
func matrixCell(at stage, s stablewrite.Strategy, recs []record.Prove) string {
	var c Cell
	for _, r := range recs {
		if stageOf(r) == at && r.Scenario == string(Race) && r.Strategy == s && r.Detect == stablewrite.ByDigest && r.Mutator != mutator.None {
			c.add(r)
		}
	}
	state := "closed"
	switch {
	case c.Writes == 0:
		return ""
	case c.Layer+c.Silent > 0:
		state = "open"
	case s == stablewrite.Raw:
		all := standings(at.kernel, recs)
		if i := slices.IndexFunc(all, func(s Standing) bool { return s.Victim == at.victim }); i >= 0 && all[i].State != Closed {
			state = "not shown"
		}
	}
	return state + " " + strings.TrimLeft(c.String(), "*!")
}

// MatrixLegend says what a Matrix shows.
const MatrixLegend = `Open or closed: of raw, verify and bounce, writes that failed, of all, whoever changed the buffer,
gated or free (e and t: see below); of unmodified programs, plain and under run, blocks. First how
the kernel writes: direct, buffered (through the page cache) or bounced.`

// write writes the matrix as text.
func (m Matrix) write(out io.Writer) error {
	if len(m.Victims) == 0 || len(m.Kernels) < 2 {
		return nil
	}
	fmt.Fprintf(out, "%s\n\n", MatrixLegend)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, k := range m.Kernels {
		fmt.Fprintf(t, "\t%s", short(k))
	}
	fmt.Fprintln(t)
	for _, v := range m.Victims {
		fmt.Fprintf(t, "%s\t%s\n", v.Victim, strings.Join(v.Written, "\t"))
		for _, w := range v.Writers {
			fmt.Fprintf(t, "  %s\t%s\n", w.Writer, strings.Join(w.Cells, "\t"))
		}
	}
	return t.Flush()
}

// Findings are a sentence for each kernel, and one of receipts.
func Findings(recs []record.Prove) (said []string) {
	for _, k := range kernels(recs) {
		said = append(said, Sentence(k, recs))
	}
	said = append(said, programFindings(recs)...)
	return slices.DeleteFunc(append(said, Receipts(recs)), func(text string) bool { return text == "" })
}
