package findings

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// resultsOf returns Results with recs, on one system.
func resultsOf[T any](recs ...T) (res record.Results) {
	for _, r := range recs {
		res.Add(r)
	}
	return res
}

// rounds returns one timing like c for each of seconds, in rounds from 1 on.
func rounds(c record.Cost, seconds ...float64) (all []any) {
	for i, s := range seconds {
		c.Round, c.Seconds, c.Bytes, c.Size, c.Depth = i+1, s, 1<<20, 4096, 1
		all = append(all, c)
	}
	return all
}

// setOf returns the first set of timings of recs, and its first kind.
func setOf(recs ...any) (costSet, Kind) {
	s := Of(resultsOf(recs...)).On[0].sets[0]
	return s, s.kinds[0]
}

func TestTheHeadlineSaysNoMoreThanWasShown(t *testing.T) {
	raw := record.Repro{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Size: 4096, Writes: 9, Overlapped: 9, Torn: 9}
	idle, bounced, unseen, broken, missed := raw, raw, raw, raw, raw
	idle.Mutator, idle.Overlapped, idle.Torn = mutator.None, 0, 0
	bounced.Strategy, bounced.Torn = stablewrite.Bounce, 0
	unseen.Strategy, unseen.Mutator = stablewrite.Verify, mutator.ABA
	broken.Strategy, broken.Torn = stablewrite.Verify, 1
	missed.Strategy, missed.Overlapped, missed.Torn = stablewrite.Bounce, 0, 0
	for _, tc := range []struct {
		name  string
		res   record.Results
		text  string
		state Mark
	}{
		{"raw alone", resultsOf(raw), "What races show", Plain},
		{"nothing changed", resultsOf(idle), "What races show", Plain},
		{"a promise that held", resultsOf(raw, bounced), "Every promise was kept", Kept},
		{"and a hole", resultsOf(raw, bounced, unseen), "Every promise was kept; verify does not see changes that are restored", Kept},
		{"a hole alone", resultsOf(unseen), "What races show", Plain},
		{"a broken promise among others", resultsOf(raw, bounced, broken), "A promise was broken", Broken},
		{"no overlap", resultsOf(raw, missed), "No promise was broken, but not all was shown", Open},
		{"timings", resultsOf(record.Cost{Size: 4096, Depth: 1, Bytes: 1, Seconds: 1}), "What stable writes cost", Plain},
	} {
		if f := Of(tc.res); f.Headline != tc.text || f.State != tc.state {
			t.Errorf("%s: %q, %q", tc.name, f.Headline, f.State)
		}
	}
}

// The answers tell what was measured, and nothing else.
func TestAnswers(t *testing.T) {
	raw := record.Repro{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Size: 4096, Writes: 9, Overlapped: 9, Torn: 9}
	bounced, restored := raw, raw
	bounced.Strategy, bounced.Torn = stablewrite.Bounce, 0
	restored.Strategy, restored.Mutator, restored.Torn = stablewrite.Verify, mutator.ABA, 5
	var costs, quick []any
	for s, seconds := range map[stablewrite.Strategy]float64{stablewrite.Raw: 1, stablewrite.Verify: 1.25, stablewrite.Bounce: 2} {
		costs = append(costs, rounds(record.Cost{Strategy: s}, slices.Repeat([]float64{seconds}, fewRounds)...)...)
		quick = append(quick, rounds(record.Cost{Strategy: s}, seconds)...)
	}
	proof := record.Prove{Repro: raw, Scenario: record.Race, Kernel: "6.1", Victim: "btrfs", Needs: true}
	proof.ReadErrors = 4
	for _, tc := range []struct {
		recs []any
		want string
	}{
		{nil, ""},
		{[]any{raw}, "affected? Yes: 9 of 9 plain direct writes were torn when their buffers changed in flight."},
		{[]any{restored, bounced}, "hold? verify, the fix of 2011: 5 of 9 torn if the change was restored. bounce, a copy of every write: 0 of 9 torn (too few to tell).\n" +
			"choose? bounce: no change reaches its writes, and by design a crash tears none (not tried here). verify only where memory is scarce and no change is restored."},
		{costs, "cost? With nothing changing, throughput relative to raw: verify 0.80, bounce 0.50. Processor time on top of raw, seconds per GiB in writes of 4k: verify +0.00, bounce +0.00."},
		{quick, "cost? " + noise},
		{[]any{proof}, "affected? Inside stock kernels, layers that need stable pages failed 4 of 9 plain writes whose buffers changed."},
	} {
		var got []string
		for _, a := range Of(resultsOf(tc.recs...)).Answers {
			got = append(got, a.Question[strings.LastIndex(a.Question, " ")+1:]+" "+strings.Join(a.Said, " "))
		}
		if text := strings.Join(got, "\n"); text != tc.want {
			t.Errorf("got\n%s\nwant\n%s", text, tc.want)
		}
	}
}

// The name of a system is long, so it comes after the finding. A reader asks first which
// stack was tested.
func TestAnswersNameTheirSystems(t *testing.T) {
	raw := record.Repro{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Size: 4096, Writes: 9, Overlapped: 9, Torn: 9,
		System: &record.System{CPUs: 2, Kernel: "1", FileSystem: "ext4", Device: "sdx"}}
	other := raw
	other.Torn, other.System = 0, &record.System{Kernel: "2"}
	bounced, copied := raw, other
	bounced.Strategy, copied.Strategy, bounced.Torn = stablewrite.Bounce, stablewrite.Bounce, 0
	for want, recs := range map[string][]any{
		"Yes: 9 of 9 plain direct writes (Linux 1, ext4 on sdx) were torn when their buffers changed in flight.": {raw},
		"Yes: 9 of 9 plain direct writes (Linux 1, ext4 on sdx) were torn when their buffers changed in flight. " +
			"Not seen: 0 of 9 plain direct writes (Linux 2) were torn when their buffers changed in flight.": {raw, other},
	} {
		if got := strings.Join(Of(resultsOf(recs...)).Answers[0].Said, " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	other.Torn = raw.Torn
	if got := Of(resultsOf(raw, other)).Answers[0].Said; len(got) != 1 || !strings.Contains(got[0], "(Linux 1, ext4 on sdx; Linux 2)") {
		t.Errorf("equal answers of two systems: %q", got)
	}
	if got := Of(resultsOf(bounced, copied)).Answers[0].Said; len(got) != 1 || strings.Contains(got[0], "Linux") {
		t.Errorf("equal answers of two systems to another question: %q", got)
	}
	copied.Torn = 9
	if got := Of(resultsOf(bounced, copied)).Answers[0].Said; len(got) != 2 || !strings.HasSuffix(got[0], ". (Linux 1, ext4 on sdx)") || !strings.HasSuffix(got[1], ". (Linux 2)") {
		t.Errorf("answers to another question that differ: %q", got)
	}
}

// Races inside kernels give answers, too, of the writes that changed.
func TestAnswersOfAProof(t *testing.T) {
	race := raced("6.1", "btrfs", func(r *record.Prove) { r.Gate, r.Writes, r.Torn, r.ReadErrors = false, 100, 60, 60 })
	bounced, stays, restored := race, race, race
	bounced.Strategy, bounced.Torn, bounced.ReadErrors = stablewrite.Bounce, 0, 0
	stays.Strategy, stays.Torn, stays.ReadErrors = stablewrite.Verify, 0, 0
	restored.Strategy, restored.Mutator = stablewrite.Verify, mutator.ABA
	var got []string
	for _, a := range Of(resultsOf(race, bounced, stays, restored)).Answers {
		got = append(got, a.Said...)
	}
	want := []string{
		"Inside stock kernels, layers that need stable pages failed 60 of 60 plain writes whose buffers changed, and 0 of 60 bounced ones.",
		"verify, the fix of 2011, inside stock kernels: 0 of 60 torn if the change stayed, 60 of 60 torn if the change was restored.",
		"bounce, a copy of every write, inside stock kernels: 0 of 60 torn.",
		"bounce: none of its 60 changed writes inside stock kernels failed or was torn.",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A strategy that promises nothing gets no "kept" mark if nothing was torn.
func TestOnlyPromisesAreKept(t *testing.T) {
	race := record.Repro{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Size: 4096, Writes: 9, Overlapped: 9}
	for want, strategy := range map[Mark]stablewrite.Strategy{Plain: stablewrite.Raw, Kept: stablewrite.Bounce} {
		race.Strategy = strategy
		races := []record.Repro{race}
		if got := matrixSection(System{Races: races, races: judge(races)}, true).Tables[0].Rows[0].Cells[0]; got != (Cell{"0/9", want}) {
			t.Errorf("0/9 of %v: %+v", strategy, got)
		}
		proof := record.Prove{Repro: race, Scenario: record.Race, Kernel: "6.1", Victim: "btrfs"}
		if got := kernelSections([]record.Prove{proof})[1].Tables[0].Rows[1].Cells[0]; got != (Cell{"0/9", want}) {
			t.Errorf("0/9 of %v in a proof: %+v", strategy, got)
		}
	}
}

// A free-running change may come before the submission. So torn writes of a free race
// are given of all writes, not of those changed in flight.
func TestRacesThatRanFreeAreNotTakenForGatedOnes(t *testing.T) {
	free := record.Repro{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Size: 4096, Writes: 100, Overlapped: 3, Torn: 60}
	gated := free
	gated.Gate, gated.Writes, gated.Overlapped, gated.Torn = true, 10, 10, 9
	for want, recs := range map[string][]record.Repro{
		"Yes: 60 of 100 plain direct writes were torn while a free-running mutator changed their buffers.": {free},
		"Yes: 9 of 10 plain direct writes were torn when their buffers changed in flight.":                 {free, gated},
	} {
		if got := Of(resultsOf(recs...)).Answers[0].Said[0]; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	broken := free
	broken.Strategy = stablewrite.Bounce
	if found := judge([]record.Repro{gated, broken}); len(found.Broken) != 1 {
		t.Errorf("a promise that breaks under a free mutator: %q", found.Broken)
	}
}

func TestNoiseIsWithinRawAgainstRaw(t *testing.T) {
	plain := record.Cost{Strategy: stablewrite.Raw}
	again := record.Cost{Strategy: stablewrite.Raw, Variant: record.Again}
	all := rounds(plain, 1, 1, 1, 1, 1, 1)
	all = append(all, rounds(again, 0.98, 1.02, 1, 0.99, 1.01, 1)...)
	all = append(all, rounds(record.Cost{Strategy: stablewrite.Verify}, 1.01, 1.03, 1.02, 1.02, 0.99, 1.05)...)     // 1 is among them
	all = append(all, rounds(record.Cost{Strategy: stablewrite.Buffered}, 1.015, 1.01, 1.01, 1.01, 1.01, 1.005)...) // within raw's own
	all = append(all, rounds(record.Cost{Strategy: stablewrite.Detect}, 1.01, 1.03, 1.02, 1.02, 1.01, 1.05)...)     // partly beyond it
	all = append(all, rounds(record.Cost{Strategy: stablewrite.Bounce}, 1.1, 1.2, 1.2, 1.2, 1.2, 1.1)...)
	_, kind := setOf(all...)
	for writer, want := range map[string]string{"verify": "~0.98 0.95-1.01", "buffered": "~0.99 0.99-1.00", "detect": "0.98 0.95-0.99", "bounce": "0.83 0.83-0.91", "raw": "1.00 1.00-1.00"} {
		if got := kind.row(writer).brief(); got != want {
			t.Errorf("%s: %s, want %s", writer, got, want)
		}
	}
	_, few := setOf(append(rounds(plain, 1, 1), rounds(record.Cost{Strategy: stablewrite.Verify}, 1, 1)...)...)
	if c := few.row(verify); c.Noise || c.Bounded() || c.brief() != "1.00" {
		t.Errorf("of two rounds: noise %v, %s", c.Noise, c.brief())
	}
	// Short rounds may differ by any factor.
	_, wide := setOf(append(rounds(plain, 1, 1, 1, 1, 1, 1), rounds(record.Cost{Strategy: stablewrite.Verify}, 1, 2, 1, 2, 1, 4)...)...)
	if c := wide.row(verify); !c.Bounded() || c.brief() != "0.75 noise" {
		t.Errorf("of six rounds: %s", c.brief())
	}
	if _, alone := setOf(rounds(record.Cost{Strategy: stablewrite.Verify}, 1, 1)...); alone.Rows[0].brief() != "-" {
		t.Errorf("without raw the ratio is %s", alone.Rows[0].brief())
	}
}

func TestATimedWriteThatIsTornBreaksAPromise(t *testing.T) {
	f := Of(resultsOf(record.Cost{Strategy: stablewrite.Bounce, Mutated: 1, Checked: 512, Torn: 3, Size: 4096, Depth: 2, Bytes: 1, Seconds: 1}))
	want := []string{"bounce, timed with 100% of writes changed in flight, 4k, depth 2: 3 of 512 writes torn"}
	if !slices.Equal(f.Broken, want) {
		t.Errorf("broken %q", f.Broken)
	}
	var said []string
	marks := map[Cell]bool{}
	for _, s := range f.Sections {
		said = append(said, s.Text...)
		for _, table := range s.Tables {
			for _, r := range table.Rows {
				for _, c := range r.Cells {
					marks[c] = true
				}
			}
		}
	}
	if !slices.Contains(said, "TORN: 3 of 512 writes that were read back differ from their receipts.") || !marks[Cell{"!3/512", Broken}] {
		t.Errorf("%q, %v", said, marks)
	}
}

// Timings are grouped by the kind of write, in order, other programs last.
func TestTimingsArePartedByKind(t *testing.T) {
	var all []any
	for _, c := range []record.Cost{
		{Mutated: 1, ChangedBlocks: 1}, {Mutated: 1}, {Mutated: 0.5}, {TwoSteps: true}, {}, {Cold: true}, {Target: record.OnDelay, DelayLatencyNS: 2},
		{Target: record.OnDelay, DelayLatencyNS: 1}, {Variant: record.DD}, {Strategy: stablewrite.Verify, Backing: "4k"}, {Target: record.OnNull},
	} {
		all = append(all, rounds(c, 1)...)
	}
	var got []string
	for _, s := range Of(resultsOf(all...)).On[0].sets {
		for _, k := range s.kinds {
			line := s.where() + ": " + s.changing()
			for _, c := range k.Rows {
				line += ", " + c.Writer()
			}
			got = append(got, line)
		}
	}
	want := []string{
		"a file, hot buffers: nothing changing, verify, dd",
		"a file, hot buffers: nothing changing, in two steps, verify",
		"a file, hot buffers: 50% of writes changed in flight, verify",
		"a file, hot buffers: 100% of writes changed in flight, verify",
		"a file, hot buffers: 100% of writes changed in flight, in 1 of their 4k blocks, verify",
		"a file, cold buffers: nothing changing, verify",
		"delay (1ns, 0 MB/s), hot buffers: nothing changing, verify",
		"delay (2ns, 0 MB/s), hot buffers: nothing changing, verify",
		"null, which takes every write at once, hot buffers: nothing changing, verify",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The summary compares the fix with a plain write and with a copy of every write.
func TestTheSummaryOfCost(t *testing.T) {
	var all []any
	for _, c := range []record.Cost{
		{Strategy: stablewrite.Raw, Seconds: 1}, {Strategy: stablewrite.Verify, Seconds: 1.25}, {Strategy: stablewrite.Bounce, Seconds: 1.6}, {Strategy: stablewrite.Detect, Seconds: 2},
		{Strategy: stablewrite.Verify, Seconds: 2.5, Mutated: 1}, {Strategy: stablewrite.Bounce, Seconds: 1.6, Mutated: 1}, {Strategy: stablewrite.Raw, Variant: record.Huge, Seconds: 0.5},
	} {
		c.CPUUserSeconds, c.CPUSystemSeconds = c.Seconds/1024, c.Seconds/512
		all = append(all, rounds(c, c.Seconds)...)
	}
	f := Of(resultsOf(all...))
	i := slices.IndexFunc(f.Sections, func(s Section) bool { return strings.HasPrefix(s.Title, "What it costs") })
	for k, want := range []string{
		"|raw MB/s|verify|bounce|raw, huge|raw CPU|verify CPU|bounce CPU|bounce cheaper\n4k, depth 1|1|0.80|0.62|2.00|1.00+2.00|1.25+2.50|1.60+3.20|not known\n",
		"|detect\n4k, depth 1|0.50\n",
		"|crossover|95%|measured|share|verify/bounce|95%|line|n\n4k, depth 1|not known|0% to never|-|0%|0.78|-|0.78|1\n||||100%|1.56|-|1.56|1\n",
	} {
		if got := rows(f.Sections[i].Tables[k]); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	if f.Cost == nil || f.Cost.Where != "on a file, hot buffers" || f.Cost.System != f.On[0].Name {
		t.Errorf("the figure of cost: %+v", f.Cost)
	}
}

// Agresti and Coull, "Approximate is better than exact", 1998, give the interval of
// 0 of 10 and of 5 of 10.
func TestIntervalsOfShares(t *testing.T) {
	for _, tc := range []struct {
		s      share
		lo, hi float64
	}{{share{0, 10}, 0, 0.278}, {share{5, 10}, 0.237, 0.763}, {share{10, 10}, 0.722, 1}} {
		if lo, hi := tc.s.interval(); math.Abs(lo-tc.lo) > 5e-4 || math.Abs(hi-tc.hi) > 5e-4 {
			t.Errorf("%d of %d: %.4f to %.4f, want %v to %v", tc.s.k, tc.s.n, lo, hi, tc.lo, tc.hi)
		}
	}
}

func TestHolesAreOfSeveralHoldsOrSizes(t *testing.T) {
	var recs []record.Repro
	for _, size := range []int{4096, 1 << 20} {
		writes := 100
		if size > 4096 {
			writes = few - 1
		}
		for _, hold := range []time.Duration{time.Millisecond, 0} {
			recs = append(recs, record.Repro{Strategy: stablewrite.Verify, Mutator: mutator.ABA, Gate: true, Size: size, HoldNS: int64(hold), Writes: writes, Overlapped: writes, Torn: int(hold/time.Millisecond) * writes / 2})
		}
	}
	f := Of(resultsOf(recs[:3]...))
	i := slices.IndexFunc(f.Sections, func(s Section) bool { return s.Title == "What verify does not see" })
	const want = "|torn|share|95% interval\n4k, 0s|0/100|0.0%|0.0% to 3.7%\n4k, 1ms|50/100|50.0%|40.4% to 59.6%\n1M, 1ms|24/49|49.0%|too few writes\n"
	if got := rows(f.Sections[i].Tables[0]); got != want || f.Holes == nil {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if f := Of(resultsOf(recs[0])); f.Holes != nil {
		t.Errorf("one hold of one size is drawn: %+v", f.Holes)
	}
}

// Records of others may have any names, so the number of columns is bounded: a table must
// not grow with the product of two kinds of names.
func TestTablesHaveABoundedNumberOfColumns(t *testing.T) {
	var recs []any
	for i := range 10 * mostColumns {
		c := record.Cost{Variant: record.Variant(fmt.Sprint("fio ", i)), Size: 4096, Depth: i + 1, Round: 1, Bytes: 1, Seconds: 1, Target: record.OnFile}
		raw := c
		raw.Variant = ""
		recs = append(recs, c, raw, record.Prove{Scenario: record.Race, Kernel: fmt.Sprint(i), Victim: fmt.Sprint(i), Repro: record.Repro{Writes: 9, Mutator: mutator.Storm}})
	}
	for _, s := range Of(resultsOf(recs...)).Sections {
		for _, table := range s.Tables {
			if n := len(table.Columns()); n > mostColumns {
				t.Errorf("%s: %d columns", table.Title, n)
			}
		}
	}
}

func TestDoubtsAreThoseThatApply(t *testing.T) {
	has := func(res record.Results, text string) bool {
		return slices.ContainsFunc(Of(res).Doubts, func(s string) bool { return strings.Contains(s, text) })
	}
	race := resultsOf(record.Repro{Strategy: stablewrite.Bounce, Mutator: mutator.Storm, Gate: true, Size: 4096, Writes: 9, Overlapped: 9})
	timing := resultsOf(rounds(record.Cost{Strategy: stablewrite.Raw, Cold: true, Backing: "4k", System: &record.System{Device: "vda"}}, 1)...)
	for _, tc := range []struct {
		text         string
		race, timing bool
	}{
		{"0 torn of n", true, false}, {"Gated changes", true, false}, {"free-running", false, false}, {"Processor time", false, true},
		{"disk is virtual", false, true}, {"fewer than six rounds", false, true}, {"Buffers are hot", false, false}, {"pages back the buffers", false, false},
		{"Raw was not timed against itself", false, true}, {"Other programs", false, false}, {"Inside QEMU", false, false},
	} {
		if has(race, tc.text) != tc.race || has(timing, tc.text) != tc.timing {
			t.Errorf("%q: of a race %v, of a timing %v", tc.text, has(race, tc.text), has(timing, tc.text))
		}
	}
	share := record.Cost{Strategy: stablewrite.Verify, Mutated: 0.001, Writes: 9}
	raw, seen := share, share
	raw.Strategy, seen.Overlapped = stablewrite.Raw, 1
	for want, recs := range map[bool][]any{true: append(rounds(share, 1, 1), rounds(raw, 1)...), false: append(rounds(raw, 1, 1), rounds(seen, 1)...)} {
		if has(resultsOf(recs...), "had no change") != want {
			t.Errorf("timings too short for their share: %v", !want)
		}
	}
	if n := len(Of(record.Results{}).Doubts); n != 0 {
		t.Errorf("%d doubts of nothing", n)
	}
}

// At small writes the time that a strategy adds is lost in the noise of a system call.
func TestProcessorTimeIsOfTheLargestWrites(t *testing.T) {
	var all []record.Cost
	for size, cpu := range map[int]float64{4096: 9, 1 << 20: 0.25} {
		c := record.Cost{Strategy: stablewrite.Raw, Target: record.OnFile, Size: size, Depth: 1, Round: 1, Bytes: 1 << 30, Seconds: 1}
		verify := c
		verify.Strategy, verify.CPUUserSeconds = stablewrite.Verify, cpu
		all = append(all, c, verify)
	}
	all = append(all, record.Cost{Strategy: stablewrite.Bounce, Target: record.OnFile, Size: 4096, Depth: 1, Round: 1, Bytes: 1 << 30, Seconds: 1})
	once := slices.Clone(all)
	for round := 2; round <= fewRounds; round++ {
		for _, c := range once {
			c.Round = round
			all = append(all, c)
		}
	}
	const want = "strategy|throughput|CPU, 1M\nraw|1.00|+0.00\nverify|1.00|+0.25\nbounce|1.00|-\n"
	if got := rows(Of(resultsOf(all...)).Sections[0].Tables[0]); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	const rough = "strategy|throughput|CPU, 1M\nraw|noise|noise\nverify|noise|noise\nbounce|noise|-\n"
	if got := rows(Of(resultsOf(once...)).Sections[0].Tables[0]); got != rough {
		t.Errorf("got\n%s\nwant\n%s", got, rough)
	}
}

func TestWhatTablesHaveNoColumnFor(t *testing.T) {
	row := func(s stablewrite.Strategy, pool int, written stablewrite.Directness, extents *int) any {
		return rounds(record.Cost{Strategy: s, PoolPeak: pool, Written: written, Extents: extents}, 1)[0]
	}
	plain := row(stablewrite.Raw, 0, stablewrite.DirectYes, nil)
	for want, recs := range map[string][]any{
		"": {row(stablewrite.Raw, 0, stablewrite.DirectUnknown, nil)},
		"raw: written directly. verify: written directly, private memory at most 512k. buffered: written through the page cache, private memory at most 4097. Extents of the file: at most 3.": {
			plain, row(stablewrite.Verify, 512<<10, stablewrite.DirectYes, new(3)), row(stablewrite.Buffered, 4097, stablewrite.DirectNo, new(2)),
		},
		"raw: written directly.": {plain},
		"bounce: engine ring, private memory at most 4k in huge pages. buffered: engine calls. fio: buffers not scrambled.": slices.Concat(
			rounds(record.Cost{Strategy: stablewrite.Bounce, PoolPeak: 4096, Private: "huge", Engine: "ring"}, 1),
			rounds(record.Cost{Strategy: stablewrite.Buffered, Engine: "calls"}, 1), rounds(record.Cost{Variant: record.FioUring}, 1)),
		"buffered: written through the page cache.": {row(stablewrite.Buffered, 0, stablewrite.DirectNo, new(0))},
	} {
		set, _ := setOf(recs...)
		if got := strings.Join(set.facts(), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A run of watch that saw nothing has no table, and a long table is cut.
func TestWatchedPrograms(t *testing.T) {
	none := record.Watch{Kind: record.KindWatch, Sample: 1, MaxBlocks: 1, System: &record.System{}}
	if s := watchSection([]record.Watch{none}); len(s.Tables) != 0 || !strings.HasPrefix(s.Text[0], "Inconclusive") {
		t.Errorf("%+v", s)
	}
	var many []record.Watch
	for i := range watchRows + 2 {
		w := none
		w.Comm, w.PID, w.Memory, w.Direct, w.Writes, w.Blocks, w.Bios = fmt.Sprintf("p%d", i), i+1, record.Anonymous, stablewrite.DirectYes, 5, 5, 500
		many = append(many, w)
	}
	many[0].Changed, many[0].BlocksChanged = 1, 1
	s := watchSection(many)
	if len(s.Tables[0].Rows) != watchRows || s.Tables[0].Rows[0].Cells[1] != (Cell{"1", Broken}) || !strings.Contains(s.Notes[0], "more than") {
		t.Errorf("%d rows, %q", len(s.Tables[0].Rows), s.Notes)
	}
	// The advice is for programs that checksum what they change, unless a layer does.
	for layer, conditional := range map[string]bool{"disk": true, "md raid1": false} {
		many[0].Layers = []record.Layer{{Name: "ext4"}, {Name: layer, Device: "md0"}}
		advice := watchSection(many).Lists[1]
		if strings.Contains(advice.Title, "if a program checksums") != conditional || len(advice.Items) == 0 {
			t.Errorf("on %s: %+v", layer, advice)
		}
	}
}
