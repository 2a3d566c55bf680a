package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// holdCurve is how many writes are torn under verify where changes are restored,
// by how long they stay.
type holdCurve struct {
	size   int
	gate   bool
	detect stablewrite.Detection
	points []holdPoint // by hold
}

type holdPoint struct {
	hold time.Duration
	torn share
}

// holdCurves finds what was tried with more than one hold, or size.
func holdCurves(recs []record.Repro) (all []holdCurve) {
	type curve struct {
		size   int
		gate   bool
		detect stablewrite.Detection
	}
	type point struct {
		curve
		hold time.Duration
	}
	points := map[point]*tally{}
	for _, r := range recs {
		if r.Strategy == stablewrite.Verify && r.Detect != stablewrite.BySum && r.Mutator.Restores() {
			key := point{curve{r.Size, r.Gate, r.Detect}, time.Duration(r.HoldNS)}
			t := points[key]
			count(&t, r)
			points[key] = t
		}
	}
	at := map[curve]int{}
	for key, t := range points {
		torn, ok := t.share()
		if !ok {
			continue
		}
		i, ok := at[key.curve]
		if !ok {
			i, at[key.curve] = len(all), len(all)
			all = append(all, holdCurve{size: key.size, gate: key.gate, detect: key.detect})
		}
		all[i].points = append(all[i].points, holdPoint{key.hold, torn})
	}
	for _, c := range all {
		slices.SortFunc(c.points, func(a, b holdPoint) int { return cmp.Compare(a.hold, b.hold) })
	}
	slices.SortFunc(all, func(a, b holdCurve) int {
		if a.gate != b.gate {
			return map[bool]int{true: -1, false: 1}[a.gate]
		}
		return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.detect, b.detect))
	})
	if len(all) == 1 && len(all[0].points) == 1 {
		return nil
	}
	return all
}

// name is "1024k", "1024k, free-running", "1024k by tracking".
func (c holdCurve) name() string {
	name := sizeText(c.size)
	if c.detect != stablewrite.ByDigest {
		name += " by " + c.detect.String()
	}
	return name + free(c.gate)
}

func free(gate bool) string {
	if gate {
		return ""
	}
	return ", free-running"
}

// precision of r: of the blocks resubmitted, those that were torn.
func precision(r record.Precision) share { return share{r.Both, r.Resubmitted} }

// recall of r: of the blocks torn, those that were resubmitted.
func recall(r record.Precision) share { return share{r.Both, r.Torn} }

// precisionOf names what r is of.
func precisionOf(r record.Precision) string {
	text := record.Repro{Strategy: r.Strategy, Detect: r.Detect}.Writer() + " against " + r.Mutator.String() + ", " + sizeText(r.Size)
	if r.Mutator.Restores() {
		text += ", held " + time.Duration(r.HoldNS).String()
	}
	return text
}

// writeHoles writes what g shows of the holes, or nothing. What CRC-32C alone
// misses is in the matrix.
func writeHoles(out io.Writer, g group) error {
	if curves := holdCurves(g.races); len(curves) > 0 {
		fmt.Fprint(out, "\nTorn under verify where a block is changed and restored (A-B-A), by how long it is held\n\n")
		t := sheet{heads: 2}
		t.add("size", "hold", "torn", "of", "share", "95% interval")
		for _, c := range curves {
			for _, p := range c.points {
				t.add(c.name(), p.hold.String(), fmt.Sprint(p.torn.k), fmt.Sprint(p.torn.n), p.torn.percent(), p.torn.bounds())
			}
		}
		if err := t.write(out); err != nil {
			return err
		}
	}
	if len(g.precisions) == 0 {
		return nil
	}
	fmt.Fprint(out, "\nBlocks of writes changed in flight: torn after the first submission, resubmitted, both\n(torn here: a byte differs; in the matrix above: the CRC-32C of the write does)\n\n")
	t := sheet{heads: 1}
	t.add("", "blocks", "torn", "resubmitted", "both", "precision", "recall")
	for _, r := range g.precisions {
		t.add(precisionOf(r), fmt.Sprint(r.Blocks), fmt.Sprint(r.Torn), fmt.Sprint(r.Resubmitted), fmt.Sprint(r.Both), orNone(precision(r)), orNone(recall(r)))
	}
	return t.write(out)
}

// orNone is s as a percentage, or "-" of nothing.
func orNone(s share) string {
	if s.n == 0 {
		return "-"
	}
	return s.percent()
}
