package cost

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/testenv"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

func filePlan(t *testing.T) Plan {
	t.Helper()
	f, err := os.Create(filepath.Join(testenv.DirectDir(t), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return Plan{
		Target: f, Strategies: []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Buffered},
		Sizes: []int{64 << 10}, Depths: []int{1, 3}, Rounds: 2, Time: 5 * time.Millisecond,
	}
}

func nullPlan() Plan {
	return Plan{
		On: record.OnNull, Strategies: stablewrite.Strategies(), Variants: Variants(),
		Sizes: []int{4096, 1 << 20}, Depths: []int{1, 3}, Rounds: 2, Time: time.Millisecond,
	}
}

func timed(t *testing.T, p Plan) (recs []record.Cost, notes []string, steps int) {
	t.Helper()
	p.Note = func(n string) { notes = append(notes, n) }
	if err := Run(context.Background(), p, func() { steps++ }, func(r record.Cost) error {
		recs = append(recs, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return recs, notes, steps
}

func TestEveryCellOfEveryRoundIsReported(t *testing.T) {
	p := filePlan(t)
	recs, _, steps := timed(t, p)
	if want := 3 * 2 * 2; len(recs) != want || steps != p.Cells() || steps != 3*2*3 {
		t.Errorf("%d records, want %d; %d steps of %d", len(recs), want, steps, p.Cells())
	}
	first := map[int]stablewrite.Strategy{}
	for _, r := range recs {
		if r.Bytes <= 0 || r.Bytes != r.Writes*int64(r.Size) || r.Seconds < p.Time.Seconds() || r.P50NS <= 0 || r.P50NS > r.P99NS || r.P99NS > r.P999NS || r.Amplification != 1 || r.CPUSystemSeconds+r.CPUUserSeconds <= 0 {
			t.Errorf("%+v", r)
		}
		if peak := r.Size * r.Depth; r.Strategy.Direct() != (r.PoolPeak == 0) || r.PoolPeak > peak {
			t.Errorf("%v at depth %d: the peak of the pool is %d", r.Strategy, r.Depth, r.PoolPeak)
		}
		if r.Target != record.OnFile || r.Extents == nil || *r.Extents < 1 || r.Backing == "" || (r.Written == stablewrite.DirectYes) != r.Strategy.Direct() {
			t.Errorf("target %q, extents %v, backing %q, written %v", r.Target, r.Extents, r.Backing, r.Written)
		}
		if engine := map[bool]string{true: "ring", false: "calls"}[r.Strategy.Direct()]; r.Engine != engine {
			t.Errorf("%v by %q, want %q", r.Strategy, r.Engine, engine)
		}
		if known := r.PoolPeak > 0; (r.Private != "") != known {
			t.Errorf("%v: private memory of %q pages, of which it had %d bytes", r.Strategy, r.Private, r.PoolPeak)
		}
		if _, ok := first[r.Round]; !ok {
			first[r.Round] = r.Strategy
		}
	}
	if first[1] != stablewrite.Raw || first[2] == stablewrite.Raw {
		t.Errorf("rounds begin with %v: the order does not rotate", first)
	}
}

// The documentation of Plan says which writers are left out, and why.
func TestWhoIsTimedWhere(t *testing.T) {
	null := nullPlan()
	disk := null
	disk.On, disk.Variants = record.OnFile, append(Variants(), record.Calls, record.FioPsync, record.DD)
	cold := disk
	cold.Cold = true
	for name, tc := range map[string]struct {
		p    Plan
		g    group
		want string
	}{
		"null":          {null, group{4096, 1, 0, false}, "verify detect bounce raw raw,_again raw,_huge raw,_summed raw,_copied"},
		"null, large":   {null, group{1 << 20, 1, 0, false}, "verify detect bounce raw raw,_again raw,_huge raw,_summed raw,_copied"},
		"null, changed": {null, group{1 << 20, 1, 0.5, false}, "verify bounce raw raw,_again"},
		"disk":          {disk, group{4096, 1, 0, false}, "verify detect bounce raw buffered raw,_again raw,_huge raw,_summed raw,_copied raw,_dontcache buffered,_unsummed fio_psync dd"},
		"disk, large":   {disk, group{1 << 20, 1, 0, false}, "verify detect bounce raw buffered raw,_again raw,_huge raw,_summed raw,_copied raw,_dontcache buffered,_unsummed verify,_calls detect,_calls bounce,_calls fio_psync dd"},
		"disk, deep":    {disk, group{4096, 2, 0, false}, "verify detect bounce raw buffered raw,_again raw,_huge raw,_summed raw,_copied raw,_dontcache buffered,_unsummed verify,_calls detect,_calls bounce,_calls raw,_calls fio_psync"},
		"disk, changed": {disk, group{4096, 1, 1, false}, "verify bounce raw buffered raw,_again"},
		"in two steps":  {disk, group{4096, 1, 0, true}, "verify bounce raw raw,_again"},
		"disk, cold":    {cold, group{4096, 1, 0, false}, "verify detect bounce raw buffered raw,_again raw,_huge raw,_summed raw,_copied raw,_dontcache buffered,_unsummed"},
	} {
		var got []string
		for _, w := range tc.p.writers(tc.g) {
			got = append(got, strings.ReplaceAll(w.String(), " ", "_"))
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %v, want %s", name, got, tc.want)
		}
	}
}

func TestAShareOfWritesThatIsNoneIsNoted(t *testing.T) {
	p := nullPlan()
	p.Sizes, p.Depths, p.Strategies, p.Variants, p.Mutated = []int{1 << 20}, []int{1}, []stablewrite.Strategy{stablewrite.Raw}, nil, []float64{1e-9, 1}
	_, notes, _ := timed(t, p)
	if len(notes) != 1 || !strings.Contains(notes[0], "1e-07%") {
		t.Errorf("%q", notes)
	}
}

func TestWhereSomethingChangesNothingDoesSoTooInTwoSteps(t *testing.T) {
	p := nullPlan()
	p.Sizes, p.Depths, p.On = []int{4096}, []int{1, 4}, record.OnFile
	for name, tc := range map[string]struct {
		on      record.Target
		mutated []float64
		want    []group
	}{
		"at rest":       {record.OnFile, []float64{0}, []group{{4096, 1, 0, false}, {4096, 4, 0, false}}},
		"changed":       {record.OnFile, []float64{1}, []group{{4096, 1, 1, false}, {4096, 4, 1, false}}},
		"both":          {record.OnFile, []float64{0, 1}, []group{{4096, 1, 0, false}, {4096, 4, 0, false}, {4096, 1, 1, false}, {4096, 4, 1, false}, {4096, 1, 0, true}, {4096, 4, 0, true}}},
		"both, on null": {record.OnNull, []float64{0, 1}, []group{{4096, 1, 0, false}, {4096, 4, 0, false}, {4096, 1, 1, false}, {4096, 4, 1, false}}},
	} {
		p.On, p.Mutated = tc.on, tc.mutated
		if got := p.groups(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestThePlannedShareChangesAndIsSeen(t *testing.T) {
	for _, tc := range []struct {
		blocks int
		again  float64 // of a changed write of 1 MiB: the share resubmitted
	}{{0, 1}, {8, 1.0 / 32}, {1 << 20, 1}} {
		p := nullPlan()
		p.Sizes, p.Mutated, p.ChangedBlocks, p.Variants = []int{1 << 20}, []float64{0.1, 1}, tc.blocks, nil
		p.Strategies = []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Bounce}
		p.Depths, p.Time = []int{3}, 10*time.Millisecond
		recs, _, _ := timed(t, p)
		for _, r := range recs {
			// The count goes on in the next round.
			if off := math.Abs(float64(r.Overlapped) - r.Mutated*float64(r.Writes)); off > 1 {
				t.Errorf("%v: %d of %d writes changed, want %v of them", r.Strategy, r.Overlapped, r.Writes, r.Mutated)
			}
			seen, amplification := int64(0), 1.0
			if r.Strategy == stablewrite.Verify {
				seen, amplification = r.Overlapped, 1+tc.again*float64(r.Overlapped)/float64(r.Writes)
			}
			if r.Changed != seen || math.Abs(r.Amplification-amplification) > 1e-9 {
				t.Errorf("%v, %d blocks: %d changed writes seen of %d, amplification %v, want %v", r.Strategy, tc.blocks, r.Changed, r.Overlapped, r.Amplification, amplification)
			}
		}
	}
}

func TestChangedWritesAreReadBack(t *testing.T) {
	t.Parallel()
	p := filePlan(t)
	p.Sizes, p.Mutated, p.Variants = []int{4096, 1 << 20}, []float64{0, 0.5}, []record.Variant{record.Again}
	p.Strategies = []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Bounce, stablewrite.Buffered}
	p.Time = 10 * time.Millisecond
	recs, _, _ := timed(t, p)
	for _, r := range recs {
		check := r.Mutated > 0 && r.Strategy != stablewrite.Raw
		if r.Torn != 0 || (r.Checked > 0) != check || r.Checked > min(r.Writes, checkedWrites, checkedBytes/int64(r.Size)) {
			t.Errorf("%s of %d bytes, %v changed: %d of %d torn, %d writes", r.Writer(), r.Size, r.Mutated, r.Torn, r.Checked, r.Writes)
		}
	}
}

func TestTornMediaAreFound(t *testing.T) {
	const size = 16 << 10
	target := filePlan(t).Target
	f, err := stablewrite.New(target, stablewrite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := cell{g: group{size: size, depth: 1}, slots: 3, lanes: []*lane{{writes: 2}}, sums: make([]uint32, 3*crcguard.Blocks(size))}
	if c.oracle, err = repro.NewOracle(target, size); err != nil {
		t.Fatal(err)
	}
	defer c.oracle.Close()
	for slot := range int64(2) {
		if err := f.Do(&stablewrite.Write{Buf: pattern(size), Off: slot * size, Sums: c.receipt(slot)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	for want := range int64(2) {
		if checked, torn, err := c.check(); checked != 2 || torn != want || err != nil {
			t.Errorf("of %d writes %d are torn, not %d of 2: %v", checked, torn, want, err)
		}
		if _, err := target.WriteAt([]byte("x"), size+5000); err != nil {
			t.Fatal(err)
		}
	}
	c.lanes[0].writes++
	if _, _, err := c.check(); err == nil {
		t.Error("the end of the file is no error")
	}
}

// A change between submission and completion reaches the media under raw.
func TestChangesAreInFlight(t *testing.T) {
	const size, writes = 64 << 10, 200
	p := filePlan(t)
	r := &run{Plan: p, contexts: make(contexts, 1)}
	if err := r.fill(); err != nil {
		t.Fatal(err)
	}
	ch := newChanges(1, 0, size, 1)
	f, err := r.file(writer{stablewrite.Raw, ""}, nil, ch)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf, got := pattern(size), stablewrite.AlignedBuffer(size)
	reached := 0
	for range writes {
		before := slices.Clone(buf)
		ch.begin(0, buf)
		if err := f.Do(&stablewrite.Write{Buf: buf}); err != nil {
			t.Fatal(err)
		}
		if !ch.end(0) {
			t.Fatal("the write was not changed")
		}
		if _, err := f.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, before) {
			reached++
		}
	}
	if reached == 0 {
		t.Errorf("of %d changes none reached the media", writes)
	}
}

func TestABlockDeviceIsWrittenWithinItsSize(t *testing.T) {
	name := testenv.LoopDevice(t, 8<<20)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := filePlan(t)
	p.Target, p.Mutated = f, []float64{0, 1}
	recs, _, _ := timed(t, p)
	for _, r := range recs {
		if r.Target != record.OnDevice || r.Extents != nil || r.Torn != 0 {
			t.Errorf("%+v", r)
		}
	}
	p.Sizes = []int{4 << 20}
	if err := Run(context.Background(), p, func() {}, func(record.Cost) error { return nil }); err == nil || !strings.Contains(err.Error(), "8388608 bytes") {
		t.Errorf("12 MiB at a time on a device of 8: %v", err)
	}
}

func TestRunEndsWithItsContextAndWithEmit(t *testing.T) {
	none := func(record.Cost) error { return nil }
	ctx, cancel := context.WithCancel(context.Background())
	p := nullPlan()
	p.Time = time.Hour
	time.AfterFunc(10*time.Millisecond, cancel) // in the middle of a cell
	if err := Run(ctx, p, func() {}, none); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	full := errors.New("disk full")
	if err := Run(context.Background(), nullPlan(), func() {}, func(record.Cost) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

func TestPlansThatMeanNothingAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Plan){
		"no target":      func(p *Plan) { p.On = "" },
		"no sizes":       func(p *Plan) { p.Sizes = nil },
		"size":           func(p *Plan) { p.Sizes = []int{4096, 1000} },
		"depth":          func(p *Plan) { p.Depths = []int{0} },
		"share":          func(p *Plan) { p.Mutated = []float64{1.5} },
		"NaN":            func(p *Plan) { p.Mutated = []float64{math.NaN()} },
		"rounds":         func(p *Plan) { p.Rounds = 0 },
		"time":           func(p *Plan) { p.Time = 0 },
		"changed blocks": func(p *Plan) { p.ChangedBlocks = -1 },
	} {
		p := nullPlan()
		spoil(&p)
		if err := Run(context.Background(), p, func() {}, func(record.Cost) error { return nil }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// GOMAXPROCS does not matter. The latency is so long that a busy machine keeps up.
func TestAsManyWritesAreInFlightAsTheDepthSays(t *testing.T) {
	t.Parallel()
	const depth = 64
	p := nullPlan()
	p.On, p.Latency, p.Bandwidth, p.Sizes, p.Depths = record.OnDelay, 50*time.Millisecond, 1e12, []int{4096}, []int{depth}
	p.Strategies, p.Variants, p.Time = []stablewrite.Strategy{stablewrite.Raw, stablewrite.Bounce}, nil, 400*time.Millisecond
	recs, _, _ := timed(t, p)
	for _, r := range recs {
		if inFlight := float64(r.Writes) / r.Seconds * p.Latency.Seconds(); inFlight < depth/4 || inFlight > depth || r.P50NS < p.Latency.Nanoseconds()*99/100 {
			t.Errorf("%s: %.1f writes in flight, want %d; half of them took %v at most", r.Writer(), inFlight, depth, time.Duration(r.P50NS))
		}
	}
}

func TestLargeWritesOverlapNowhere(t *testing.T) {
	p := filePlan(t)
	p.Sizes, p.Depths = []int{4096, regionBytes}, []int{1, 2}
	if region, err := p.region(); region != 2*regionBytes || err != nil {
		t.Errorf("writers overlap in %d bytes, %v", region, err)
	}
}
