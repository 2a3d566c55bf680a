package report

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"stablepages/bench/cost"
	"stablepages/bench/mutator"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// resultsOf are Results of recs, on one system.
func resultsOf[T any](recs ...T) (res Results) {
	for _, r := range recs {
		res.Add(r)
	}
	return res
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
		name        string
		res         Results
		text, state string
	}{
		{"raw alone", resultsOf(raw), "What races show", ""},
		{"nothing changed", resultsOf(idle), "What races show", ""},
		{"a promise that held", resultsOf(raw, bounced), "Every promise was kept", "kept"},
		{"and a hole", resultsOf(raw, bounced, unseen), "Every promise was kept; changes that are restored go unseen", "kept"},
		{"a hole alone", resultsOf(unseen), "What races show", ""},
		{"a broken promise among others", resultsOf(raw, bounced, broken), "A promise was broken", "broken"},
		{"no overlap", resultsOf(raw, missed), "No promise was broken, and not all was shown", "open"},
		{"timings", resultsOf(record.Cost{Size: 4096, Depth: 1, Bytes: 1, Seconds: 1}), "What stable writes cost", ""},
	} {
		if text, state := headline(tc.res, Judge(tc.res)); text != tc.text || state != tc.state {
			t.Errorf("%s: %q, %q", tc.name, text, state)
		}
	}
}

// A broken promise is the first thing on the page, in its list, in its cell.
func TestThePageBeginsWithABrokenPromise(t *testing.T) {
	res := resultsOf(record.Repro{Strategy: stablewrite.Bounce, Mutator: mutator.ABA, Gate: true, Size: 4096, Writes: 9, Overlapped: 9, Torn: 2})
	var b bytes.Buffer
	if err := HTML(&b, res); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	at := 0
	for _, want := range []string{`<h1 class="broken">A promise was broken</h1>`, "<li>bounce against aba: 2 of 9 writes torn</li>", "2 of 9 torn: a broken promise</td>", `<td class="broken">!2/9</td>`} {
		i := strings.Index(page[at:], want)
		if i < 0 {
			t.Fatalf("no %q after byte %d", want, at)
		}
		at += i
	}
}

// Where nothing is promised, nothing torn is no merit.
func TestOnlyPromisesAreKept(t *testing.T) {
	race := record.Repro{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Size: 4096, Writes: 9, Overlapped: 9}
	for want, strategy := range map[string]stablewrite.Strategy{"": stablewrite.Raw, "kept": stablewrite.Bounce} {
		race.Strategy = strategy
		if got := matrixOf([]record.Repro{race}, true).grid("").Bodies[0].Rows[0].Cells[0]; got.State != want || got.Text != "0/9" {
			t.Errorf("0/9 of %v: %+v", strategy, got)
		}
		proof := record.Prove{Repro: race, Scenario: "race", Kernel: "6.1", Victim: "btrfs"}
		if got := proofGrid(prove.Tables([]record.Prove{proof})[0]).Bodies[0].Rows[0].Cells[0]; got.State != want || got.Text != "0/9" {
			t.Errorf("0/9 of %v in a proof: %+v", strategy, got)
		}
	}
}

// A change that runs free may come before the submission: what is torn then is of
// all writes, and does not speak of changes in flight.
func TestRacesThatRanFreeAreNotTakenForGatedOnes(t *testing.T) {
	free := record.Repro{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Size: 4096, Writes: 100, Overlapped: 3, Torn: 60}
	found := judge([]record.Repro{free})
	if text := strings.Join(found.lines(), "\n"); !strings.Contains(text, "raw:      60 of 100 writes raced by a mutator that runs free torn") {
		t.Error(text)
	}
	gated := free
	gated.Gate, gated.Writes, gated.Overlapped, gated.Torn = true, 10, 10, 9
	found = judge([]record.Repro{free, gated})
	if text := strings.Join(found.lines(), "\n"); !strings.Contains(text, "raw:      9 of 10 writes changed in flight torn") {
		t.Error(text)
	}
	broken := free
	broken.Strategy = stablewrite.Bounce
	if found := judge([]record.Repro{gated, broken}); len(found.Broken) != 1 {
		t.Errorf("a promise that breaks under a free mutator: %q", found.Broken)
	}
}

// rounds are as many timings as an interval takes, each of these seconds.
func rounds(c record.Cost, seconds ...float64) (all []any) {
	for i, s := range seconds {
		c.Round, c.Seconds, c.Bytes, c.Size, c.Depth = i+1, s, 1<<20, 4096, 1
		all = append(all, c)
	}
	return all
}

func TestNoiseIsWhatRawAgainstRawShows(t *testing.T) {
	raw := record.Cost{Strategy: stablewrite.Raw}
	again := record.Cost{Strategy: stablewrite.Raw, Variant: record.Again}
	all := rounds(raw, 1, 1, 1, 1, 1, 1)
	all = append(all, rounds(again, 0.98, 1.02, 1, 0.99, 1.01, 1)...)
	all = append(all, rounds(record.Cost{Strategy: stablewrite.Verify}, 1.01, 1.03, 1.02, 1.02, 0.99, 1.05)...)     // 1 is among them
	all = append(all, rounds(record.Cost{Strategy: stablewrite.Buffered}, 1.015, 1.01, 1.01, 1.01, 1.01, 1.005)...) // within raw's own
	all = append(all, rounds(record.Cost{Strategy: stablewrite.Detect}, 1.01, 1.03, 1.02, 1.02, 1.01, 1.05)...)     // partly beyond it
	all = append(all, rounds(record.Cost{Strategy: stablewrite.Bounce}, 1.1, 1.2, 1.2, 1.2, 1.2, 1.1)...)
	for want, writers := range map[bool][]string{true: {"~0.98", "verify", "~0.99", "buffered"}, false: {"0.98", "detect", "0.83", "bounce", "1.00", "raw"}} {
		for i := 0; i < len(writers); i += 2 {
			if c := kindOf(all).of(writers[i+1]); c.Noise != want || ratioOf(*c) != writers[i] {
				t.Errorf("%s: noise %v, %s", writers[i+1], c.Noise, ratioOf(*c))
			}
		}
	}
	few := kindOf(append(rounds(raw, 1, 1), rounds(record.Cost{Strategy: stablewrite.Verify}, 1, 1)...)).of("verify")
	if few.Noise || intervalOf(*few) != "-" || ratioOf(*few) != "1.00" {
		t.Errorf("of two rounds: noise %v, interval %s, ratio %s", few.Noise, intervalOf(*few), ratioOf(*few))
	}
	alone := kindOf(rounds(record.Cost{Strategy: stablewrite.Verify}, 1, 1))
	if text := ratioOf(alone.rows[0]); text != "-" {
		t.Errorf("without raw the ratio is %s", text)
	}
}

func TestATimedWriteThatIsTornBreaksAPromise(t *testing.T) {
	res := resultsOf(record.Cost{Strategy: stablewrite.Bounce, Mutated: 1, Checked: 512, Torn: 3, Size: 4096, Depth: 2, Bytes: 1, Seconds: 1})
	want := []string{"bounce, timed with 100% of writes changed in flight, 4k, depth 2: 3 of 512 writes torn"}
	if v := Judge(res); !slices.Equal(v.Broken, want) {
		t.Errorf("broken %q", v.Broken)
	}
	var text, page strings.Builder
	if err := errors.Join(Text(&text, res), HTML(&page, res)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"A promise was broken:\n  bounce, timed", "TORN: 3 of 512 writes", "!torn: 3\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if !strings.Contains(page.String(), `<td class="broken">!3/512</td>`) {
		t.Error("the page has no cell that is broken")
	}
}

// kindOf is the first kind of write of recs.
func kindOf(recs []any) costKind { return costSets(resultsOf(recs...).Costs)[0].kinds[0] }

// Writes of one kind are told apart from all others, in order, other programs last.
func TestTimingsArePartedByKind(t *testing.T) {
	var all []any
	for _, c := range []record.Cost{
		{Mutated: 1, ChangedBlocks: 1}, {Mutated: 1}, {Mutated: 0.5}, {TwoSteps: true}, {}, {Cold: true}, {Target: record.OnDelay, DelayLatencyNS: 2},
		{Target: record.OnDelay, DelayLatencyNS: 1}, {Variant: record.DD}, {Strategy: stablewrite.Verify, Backing: "4k"}, {Target: record.OnNull},
	} {
		all = append(all, rounds(c, 1)...)
	}
	var got []string
	for _, s := range costSets(resultsOf(all...).Costs) {
		for _, k := range s.kinds {
			line := s.where() + ": " + s.changing()
			for _, c := range k.rows {
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

func TestTheCrossoverIsNamed(t *testing.T) {
	inf := math.Inf(1)
	ends := []cost.CrossoverPoint{{Share: 0, N: 7, Cost: 0.9, Lo: 0.8, Hi: 0.95}, {Share: 1, N: 7, Cost: 1.6, Lo: 1.5, Hi: 1.7}}
	for _, tc := range []struct {
		modeled, lo, hi float64
		text            string
		band, line      bool
	}{
		{0.14, 0.1, 0.2, "from 14% (95%: 10% to 20%)", true, true},
		{0.14, 0, inf, "from 14% (95%: 0% to never)", true, true},
		{0, 0, 0, "at any share", false, false},
		{0, 0, 0.3, "from 0% (95%: 0% to 30%)", false, false},
		{inf, inf, inf, "at no share", false, false},
		{inf, 0.9, inf, "perhaps at no share (95%: from 90% on)", false, false},
	} {
		x := cost.Crossover{Of: cost.Cell{Size: 4096, Depth: 1}, Points: ends, Modeled: tc.modeled, Lo: tc.lo, Hi: tc.hi}
		d := crossoverFigure(x).Drawing
		lines := 0
		for _, l := range d.Lines {
			if l.Class == "ref" && l.X1 == l.X2 {
				lines++
			}
		}
		if d.Title != "4k, depth 1: "+tc.text || len(d.Bands) > 0 != tc.band || lines > 0 != tc.line {
			t.Errorf("%v: %q, %d bands, %d lines", tc.modeled, d.Title, len(d.Bands), lines)
		}
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

func TestThreatsAreThoseThatApply(t *testing.T) {
	has := func(res Results, text string) bool {
		return slices.ContainsFunc(threatsTo(res), func(s string) bool { return strings.Contains(s, text) })
	}
	race := resultsOf(record.Repro{Strategy: stablewrite.Bounce, Mutator: mutator.Storm, Gate: true, Size: 4096, Writes: 9, Overlapped: 9})
	timing := resultsOf(rounds(record.Cost{Strategy: stablewrite.Raw, Cold: true, Backing: "4k", System: &record.System{Device: "vda"}}, 1)...)
	for _, tc := range []struct {
		text         string
		race, timing bool
	}{
		{"0 torn of n", true, false}, {"Gated changes", true, false}, {"runs free", false, false}, {"Processor time", false, true},
		{"virtual one", false, true}, {"fewer than six rounds", false, true}, {"Buffers are hot", false, false}, {"pages back the buffers", false, false},
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
		if has(resultsOf(recs...), "saw no change") != want {
			t.Errorf("timings too short for their share: %v", !want)
		}
	}
	if n := len(threatsTo(Results{})); n != 0 {
		t.Errorf("%d threats to nothing", n)
	}
}

// The slowest of a few writes is no quantile of them.
func TestAQuantileOfTooFewWritesIsLeftOut(t *testing.T) {
	c := record.Cost{Strategy: stablewrite.Raw, P50NS: 10, P99NS: 20, P999NS: 30}
	for n, want := range map[int64]int{1: 1, 99: 1, 100: 2, 999: 2, 1000: 3} {
		c.Writes = n
		res := resultsOf(c)
		res.Costs[0].Size, res.Costs[0].Depth, res.Costs[0].Bytes, res.Costs[0].Seconds = 1<<20, 1, n<<20, 1
		f := costSets(res.Costs)[0].latencyFigures()[0]
		dashes := 0
		for _, cell := range f.Data.Bodies[0].Rows[0].Cells {
			if cell.Text == "-" {
				dashes++
			}
		}
		var table, lines strings.Builder
		if err := errors.Join(writeCSV(&table, res), writeBenchfmt(&lines, res)); err != nil {
			t.Fatal(err)
		}
		empty := strings.HasSuffix(strings.TrimSpace(table.String()), strings.Repeat(",", 3-want)+",0,0,,,,unknown")
		if len(f.Drawing.Marks) != want || dashes != 3-want || !empty || strings.Count(lines.String(), "-sec") != want+2 {
			t.Errorf("%d writes: %d marks, %d dashes, want %d quantiles\n%s%s", n, len(f.Drawing.Marks), dashes, want, table.String(), lines.String())
		}
	}
}

// What is added to small writes is lost in the noise of a system call.
func TestProcessorTimeIsOfTheLargestWrites(t *testing.T) {
	var all []record.Cost
	for size, cpu := range map[int]float64{4096: 9, 1 << 20: 0.25} {
		c := record.Cost{Strategy: stablewrite.Raw, Target: record.OnFile, Size: size, Depth: 1, Round: 1, Bytes: 1 << 30, Seconds: 1}
		verify := c
		verify.Strategy, verify.CPUUserSeconds = stablewrite.Verify, cpu
		all = append(all, c, verify)
	}
	all = append(all, record.Cost{Strategy: stablewrite.Bounce, Target: record.OnFile, Size: 4096, Depth: 1, Round: 1, Bytes: 1 << 30, Seconds: 1})
	g := groups(resultsOf(all...))[0]
	table := standings(g, costSets(g.costs))
	rows := map[string]string{}
	for _, r := range table.Bodies[0].Rows {
		rows[r.Name] = r.Cells[len(r.Cells)-1].Text
	}
	if head := table.Head[len(table.Head)-1]; head != "CPU s/GiB added, 1M" || rows["verify"] != "+0.25" || rows["bounce"] != "not timed" {
		t.Errorf("%s: %v", head, rows)
	}
}

func TestWhatADelayAllows(t *testing.T) {
	delay := place{target: record.OnDelay, latency: 500 * time.Microsecond, bandwidth: 2e9}
	for _, tc := range []struct {
		size, depth int
		want        float64
	}{{1e6, 1, 1e9}, {1e6, 2, 2e9}, {1e6, 16, 2e9}, {1000, 4, 4000 / 500.5e-6}} {
		if got := delay.allows(cost.Cell{Size: tc.size, Depth: tc.depth}); math.Abs(got/tc.want-1) > 1e-9 {
			t.Errorf("%d x %d: %v, want %v", tc.size, tc.depth, got, tc.want)
		}
	}
	c := record.Cost{Strategy: stablewrite.Raw, Target: record.OnDelay, DelayLatencyNS: 500_000, DelayBytesPerSecond: 2e9, Size: 1 << 20, Depth: 16, Round: 1, Bytes: 1e9, Seconds: 1}
	if text := strings.Join(costLines(costSets([]record.Cost{c})), "\n"); !strings.Contains(text, "raw    gets 0.50 of what the delay allows") {
		t.Error(text)
	}
}

// What is many times as fast as direct writes is named beside the figure, and leaves
// it to them.
func TestWhatIsBeyondTheAxisIsAnArrow(t *testing.T) {
	var all []any
	for s, seconds := range map[stablewrite.Strategy][]float64{
		stablewrite.Raw: {1, 1, 1, 1, 1, 1}, stablewrite.Verify: {1.1, 1.2, 1.1, 1.2, 1.1, 1.2}, stablewrite.Buffered: {0.125, 0.125, 0.125, 0.125, 1.1, 1.1},
	} {
		all = append(all, rounds(record.Cost{Strategy: s}, seconds...)...)
	}
	d := costSets(resultsOf(all...).Costs)[0].ratioFigures()[0].Drawing
	var at px
	for _, l := range d.Texts {
		if l.Text == "buffered, 8.0" {
			at = l.Y - 4
		}
	}
	arrows := 0
	for _, m := range d.Marks {
		if strings.Contains(m.D, " "+at.String()+"l-") {
			arrows++
		}
	}
	if at == 0 || arrows != 2 || len(d.Marks) != 4 {
		t.Errorf("at %v there are %d arrows for a median and an interval, of %d marks: %+v", at, arrows, len(d.Marks), d)
	}
}

func TestWhatTheTableOfAKindHasNoColumnFor(t *testing.T) {
	row := func(s stablewrite.Strategy, pool int, written stablewrite.Directness, extents *int) any {
		return rounds(record.Cost{Strategy: s, PoolPeak: pool, Written: written, Extents: extents}, 1)[0]
	}
	raw := row(stablewrite.Raw, 0, stablewrite.DirectYes, nil)
	for want, recs := range map[string][]any{
		"": {row(stablewrite.Raw, 0, stablewrite.DirectUnknown, nil)},
		"Private memory at most, KiB: verify 512, buffered 5. Written: directly, but buffered: through the page cache. Extents: at most 3.": {
			raw, row(stablewrite.Verify, 512<<10, stablewrite.DirectYes, new(3)), row(stablewrite.Buffered, 4097, stablewrite.DirectNo, new(2)),
		},
		"Written: directly.": {raw},
		"Private memory at most, KiB: bounce 4 (huge pages). Engine: ring, but buffered: calls. fio: buffers not scrambled.": slices.Concat(
			rounds(record.Cost{Strategy: stablewrite.Bounce, PoolPeak: 4096, Private: "huge", Engine: "ring"}, 1),
			rounds(record.Cost{Strategy: stablewrite.Buffered, Engine: "calls"}, 1), rounds(record.Cost{Variant: record.FioUring}, 1)),
		"Written: through the page cache.": {row(stablewrite.Buffered, 0, stablewrite.DirectNo, new(0))},
	} {
		if got := kindOf(recs).rest(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
