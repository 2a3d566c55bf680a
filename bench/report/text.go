package report

import (
	"fmt"
	"io"
	"strings"

	"stablepages/bench/probe"
	"stablepages/bench/prove"
)

// Text writes res as text of at most 100 columns: what Summary writes, and then a
// table of each kind of write that was timed.
func Text(out io.Writer, res Results) error {
	if err := Summary(out, res); err != nil {
		return err
	}
	noisy, timed, all := false, false, groups(res)
	for _, g := range all {
		if len(all) > 1 && len(g.costs) > 0 {
			fmt.Fprintf(out, "\n%s\n", prove.Wrap(describe(g.system)))
		}
		for _, s := range costSets(g.costs) {
			for _, k := range s.kinds {
				if err := k.write(out, s); err != nil {
					return err
				}
			}
			noisy, timed = noisy || s.has(isNoise), timed || s.has(isTimed)
		}
	}
	notes := ""
	if noisy {
		notes += "\n" + noiseNote
	}
	if timed {
		notes += "\n" + latencyNote
	}
	_, err := fmt.Fprint(out, notes)
	return err
}

// Summary writes what res mean, as text of at most 100 columns.
func Summary(out io.Writer, res Results) error {
	if res.Len() == 0 {
		_, err := fmt.Fprintln(out, "No Records.")
		return err
	}
	writeJudgement(out, Judge(res))
	gap := ""
	for _, g := range groups(res) {
		fmt.Fprint(out, gap)
		gap = "\n"
		if err := writeGroup(out, g); err != nil {
			return err
		}
	}
	if len(res.Proofs) > 0 {
		fmt.Fprint(out, gap)
		gap = "\n"
		if err := prove.WriteReport(out, res.Proofs); err != nil {
			return err
		}
	}
	for _, p := range res.Probes {
		fmt.Fprint(out, gap)
		gap = "\n"
		if _, err := fmt.Fprintf(out, "%s\n%s\n", prove.Wrap(fmt.Sprintf("%s: %s", p.Path, describe(p.System))), prove.Wrap(strings.Join(probe.Advise(p).Said, " "))); err != nil {
			return err
		}
	}
	if len(res.Guards) > 0 {
		if err := writeGuards(out, gap, res.Guards); err != nil {
			return err
		}
		gap = "\n"
	}
	return writeWatches(out, gap, res.Watches)
}

func writeJudgement(out io.Writer, v Verdict) {
	for _, said := range []struct {
		what  string
		lines []string
	}{{"A promise was broken", v.Broken}, {"Inconclusive", v.Inconclusive}} {
		for i, line := range said.lines {
			if i == 0 {
				fmt.Fprintf(out, "%s:\n", said.what)
			}
			fmt.Fprintln(out, prove.Wrap("  "+line))
		}
		if len(said.lines) > 0 {
			fmt.Fprintln(out)
		}
	}
}

// writeGroup writes what was found on one system.
func writeGroup(out io.Writer, g group) error {
	fmt.Fprintf(out, "%s\n", prove.Wrap(describe(g.system)))
	found := judge(g.races)
	for i, line := range found.lines() {
		if i == 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintln(out, line)
	}
	for _, gated := range []bool{true, false} {
		m := matrixOf(g.races, gated)
		if len(m.rows) == 0 {
			continue
		}
		how := "every change in flight (* torn, not promised otherwise;\n"
		if !gated {
			how = "changes by a mutator that runs free (* torn, not promised otherwise;\n"
		}
		fmt.Fprintf(out, "\nTorn writes of writes, %s! a broken promise; r the strategy refused changed writes)\n\n", how)
		if err := m.write(out); err != nil {
			return err
		}
	}
	if err := writeHoles(out, g); err != nil {
		return err
	}
	for _, p := range costPlaces(g.costs) {
		if err := writeCosts(out, p); err != nil {
			return err
		}
	}
	return nil
}
