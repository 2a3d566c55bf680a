package cost

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stablepages/bench/record"
	"stablepages/stablewrite"
	"stablepages/stablewrite/testenv"
)

func plan(t *testing.T) Plan {
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

func TestEveryCellOfEveryRoundIsReported(t *testing.T) {
	p := plan(t)
	var recs []record.Cost
	steps := 0
	if err := Run(context.Background(), p, func() { steps++ }, func(r record.Cost) error {
		recs = append(recs, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := 3 * 2 * 2; len(recs) != want || steps != p.Cells() || steps != 3*2*3 {
		t.Errorf("%d records, want %d; %d steps of %d", len(recs), want, steps, p.Cells())
	}
	first := map[int]stablewrite.Strategy{}
	for _, r := range recs {
		if r.Bytes <= 0 || r.Seconds < p.Time.Seconds() || r.P50NS <= 0 || r.P50NS > r.P99NS || r.P99NS > r.P999NS || r.Amplification != 1 || r.CPUSystemSeconds+r.CPUUserSeconds <= 0 {
			t.Errorf("%+v", r)
		}
		if peak := r.Size * r.Depth; r.Strategy == stablewrite.Raw && r.PoolPeak != 0 || r.Strategy != stablewrite.Raw && (r.PoolPeak == 0 || r.PoolPeak > peak) {
			t.Errorf("%v at depth %d: the peak of the pool is %d", r.Strategy, r.Depth, r.PoolPeak)
		}
		if _, ok := first[r.Round]; !ok {
			first[r.Round] = r.Strategy
		}
	}
	if first[1] != stablewrite.Raw || first[2] == stablewrite.Raw {
		t.Errorf("rounds begin with %v: the order does not rotate", first)
	}
}

func TestRunEndsWithItsContextAndWithEmit(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	none := func(record.Cost) error { return nil }
	if err := Run(ctx, plan(t), nil, none); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	full := errors.New("disk full")
	if err := Run(context.Background(), plan(t), nil, func(record.Cost) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	p := plan(t)
	p.Sizes, p.Depths = []int{4096, regionBytes}, []int{1, 2}
	if p.region() != 2*regionBytes {
		t.Errorf("writers overlap in %d bytes", p.region())
	}
}

func TestCompareHoldsRoundsAgainstTheirOwnRaw(t *testing.T) {
	var recs []record.Cost
	for round := 1; round <= 9; round++ {
		speed := int64(1000 * round) // the machine gets faster and faster
		recs = append(recs,
			record.Cost{Strategy: stablewrite.Raw, Size: 4096, Depth: 1, Round: round, Bytes: speed, Seconds: 1},
			record.Cost{Strategy: stablewrite.Verify, Size: 4096, Depth: 1, Round: round, Bytes: speed * 9 / 10, Seconds: 1, CPUUserSeconds: float64(speed) * 9 / 10 / (1 << 30)})
	}
	got := Compare(recs)
	if len(got) != 2 || got[0].Strategy != stablewrite.Raw || got[1].Strategy != stablewrite.Verify {
		t.Fatalf("%+v", got)
	}
	c := got[1]
	for what, pair := range map[string][2]float64{"ratio": {c.Ratio, 0.9}, "lo": {c.Lo, 0.9}, "hi": {c.Hi, 0.9}, "CPU": {c.CPU, 1}, "throughput": {c.Throughput, 4500}} {
		if math.Abs(pair[0]-pair[1]) > 1e-9*pair[1] {
			t.Errorf("%s = %v, want %v", what, pair[0], pair[1])
		}
	}
	if c.N != 9 {
		t.Errorf("n = %d", c.N)
	}
}

func TestQuantile(t *testing.T) {
	var sorted []time.Duration
	for i := range 100 {
		sorted = append(sorted, time.Duration(i))
	}
	got := []int64{quantile(sorted, 0), quantile(sorted, 0.5), quantile(sorted, 0.99), quantile(sorted, 1), quantile(nil, 0.5)}
	if want := []int64{0, 50, 99, 99, 0}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
