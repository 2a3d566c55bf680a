package cost

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// full is a run with everything in it, of figures as wide as they get.
func full() (recs []record.Cost) {
	system := &record.System{CPU: "Some(R) Processor", CPUs: 4, Kernel: "6.18.0", Go: "go1.26", FileSystem: "ext4", Device: "vda"}
	speeds := map[float64]map[writer]float64{
		0: {
			raw: 1, verify: 0.9, bounce: 0.8, again: 1.01, {stablewrite.Buffered, ""}: 12.345, {stablewrite.Buffered, record.Unsummed}: 123.45,
			{stablewrite.Raw, record.Segmented}: 1.02, {stablewrite.Raw, record.Summed}: 0.95, {stablewrite.Raw, record.FioUringSum}: 0.99, {stablewrite.Raw, record.DD}: 0.7,
		},
		1: {raw: 0.9, verify: 0.45, bounce: 0.7, again: 0.9},
	}
	order := []writer{
		raw, verify, bounce, {stablewrite.Buffered, ""}, again, {stablewrite.Raw, record.Segmented}, {stablewrite.Raw, record.Summed},
		{stablewrite.Buffered, record.Unsummed}, {stablewrite.Raw, record.FioUringSum}, {stablewrite.Raw, record.DD},
	}
	for _, size := range []int{4096, 1 << 20} {
		for _, mutated := range []float64{0, 1} {
			for _, w := range order {
				by, ok := speeds[mutated][w]
				if !ok {
					continue
				}
				noise := 0.0
				if w == again {
					noise = 0.08
				}
				for _, r := range row(w, mutated, by, noise) {
					r.Size, r.System, r.Backing = size, system, "4k"
					r.Bytes *= 100
					r.P50NS, r.P99NS, r.P999NS = 12345, 123456, 12345678
					r.CPUSystemSeconds = 12.34 * float64(r.Bytes) / (1 << 30)
					if w.variant == record.DD {
						r.P50NS, r.P99NS, r.P999NS = 0, 0, 0
					}
					if mutated > 0 && w != raw && w != again {
						r.Checked, r.ChangedBlocks, r.Amplification = 512, 1, 1+mutated
					}
					if mutated > 0 {
						r.ChangedBlocks = 1
					}
					recs = append(recs, r)
				}
			}
		}
	}
	return recs
}

func report(t *testing.T, recs []record.Cost) string {
	t.Helper()
	var b strings.Builder
	if err := WriteReport(&b, recs); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	return b.String()
}

func TestReport(t *testing.T) {
	const golden = "testdata/report.txt"
	got := report(t, full())
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s, which UPDATE=1 rewrites:\n%s", golden, got)
	}
}

func TestReportSaysWhatItIsNotGiven(t *testing.T) {
	if got := report(t, nil); got != "nothing was timed\n" {
		t.Errorf("%q", got)
	}
	if got := report(t, row(raw, 0, 1, 0)[:1]); !strings.HasPrefix(got, "neither verify nor bounce nor adaptive was timed\n") {
		t.Errorf("%s", got)
	}
	recs := full()
	recs[len(recs)-1].Checked, recs[len(recs)-1].Torn = 512, 3
	if got := report(t, recs); !strings.Contains(got, "TORN: 3 of ") {
		t.Errorf("%s", got)
	}
	null := row(raw, 0, 1, 0)
	null = append(null, row(verify, 0, 0.5, 0)...)
	for i := range null {
		null[i].Target = record.OnNull
	}
	if got := report(t, null); !strings.HasPrefix(got, "verify adds to a write, depth 1, nothing changing: 4k 819.2µs\n") || strings.Contains(got, "by raw's throughput") {
		t.Errorf("%s", got)
	}
}
