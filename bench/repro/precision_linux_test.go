package repro

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

func TestPrecisionCountsWhatWasTornBeforeItWasResubmitted(t *testing.T) {
	f, err := os.Create(filepath.Join(testenv.DirectDir(t), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cfg := Config{
		Target: f, Strategy: stablewrite.Verify, Gate: true, Hold: DefaultGatedHold, Seed: 2011, Size: 256 << 10, Writes: 40, Duration: time.Minute,
	}
	for _, tc := range []struct {
		k      mutator.Kind
		detect stablewrite.Detection
		sees   bool
	}{
		{mutator.Storm, stablewrite.ByDigest, true},
		{mutator.Flip, stablewrite.ByDigest, true},
		{mutator.CRCPage, stablewrite.ByDigest, true},
		{mutator.CRCPage, stablewrite.BySum, false},
		{mutator.ABA, stablewrite.ByDigest, false},
	} {
		cfg.Mutator, cfg.Detect = tc.k, tc.detect
		rec, err := Precision(context.Background(), cfg)
		if err != nil {
			t.Fatalf("%v by %v: %v", tc.k, tc.detect, err)
		}
		t.Logf("%v by %v: of %d blocks %d torn, %d resubmitted, %d both", tc.k, tc.detect, rec.Blocks, rec.Torn, rec.Resubmitted, rec.Both)
		if rec.Writes != cfg.Writes || rec.Blocks != rec.Writes*64 || rec.Both > min(rec.Torn, rec.Resubmitted) {
			t.Errorf("%v by %v: %+v", tc.k, tc.detect, rec)
		}
		if tc.sees && (rec.Both != rec.Torn || rec.Resubmitted == 0) {
			t.Errorf("%v by %v: of %d torn blocks %d were resubmitted", tc.k, tc.detect, rec.Torn, rec.Both)
		}
		if !tc.sees && rec.Resubmitted != 0 {
			t.Errorf("%v by %v: %d blocks were resubmitted", tc.k, tc.detect, rec.Resubmitted)
		}
	}
}

func TestPrecisionRefusesWhatItCannotMeasure(t *testing.T) {
	good := Config{Strategy: stablewrite.Verify, Gate: true, Writes: 1}
	for name, spoil := range map[string]func(*Config){
		"running free": func(c *Config) { c.Gate = false },
		"without end":  func(c *Config) { c.Writes = 0 },
		"bounce":       func(c *Config) { c.Strategy = stablewrite.Bounce },
		"detect":       func(c *Config) { c.Strategy = stablewrite.Detect },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := Precision(context.Background(), cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
