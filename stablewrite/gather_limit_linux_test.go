package stablewrite

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// A segment of more parts than the system takes in one submission (1024) is
// divided or copied, not refused.
func TestMoreFramesThanOneSubmissionTakes(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	const frames = 2048
	name := filepath.Join(testenv.DirectDir(t), "f")
	if err := os.WriteFile(name, make([]byte, frames*kib4), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, engine := range []Engine{ByRing, ByCalls} {
		for _, s := range []Strategy{Verify, Detect, Bounce} {
			f, err := Open(name, Options{Strategy: s, Engine: engine, SegmentBytes: frames * kib4})
			if err != nil {
				t.Fatal(err)
			}
			w := &Write{Bufs: Buffers(frames, kib4)}
			if err := f.Do(w); err != nil {
				t.Errorf("%v, %v: %v", engine, s, err)
			}
			f.Close()
		}
	}
}
