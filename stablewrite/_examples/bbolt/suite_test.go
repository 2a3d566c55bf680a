package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

// tooLong matches tests of bbolt that take a minute or more each on two processors, most
// of them because every page is a write by itself. They pass with the patch, too; README
// says how to run them.
const tooLong = "^TestSimulate.*_10000op|^TestConcurrentRepeatableRead$|^TestBucket_Delete_FreelistOverflow$|^TestOpen_Size_Large$|^TestDB_Put_VeryLarge$|^TestBucket_Stats_RandomFill$"

var packages = []string{"go.etcd.io/bbolt", "go.etcd.io/bbolt/internal/...", "go.etcd.io/bbolt/cmd/..."}

func TestTheirTestsPassThroughVerify(t *testing.T) {
	t.Parallel() // they wait for the disk more than for a processor
	theirTests(t, stablewrite.Verify, "-skip="+tooLong)
}

func TestTheirTestsPassThroughBounce(t *testing.T) {
	t.Parallel()
	theirTests(t, stablewrite.Bounce, "-short")
}

// theirTests runs bbolt's own tests with every data file written through
// stablewrite.
func theirTests(t *testing.T, s stablewrite.Strategy, choice string) {
	dir := testenv.DirectDir(t)
	modfile := patched(t, true)
	stats := filepath.Join(t.TempDir(), "stats")
	env := []string{
		"TMPDIR=" + dir, "GOTMPDIR=" + t.TempDir(), "TEST_CONCURRENT_CASE_DURATION=1s",
		"BBOLT_STRATEGY=" + s.String(), "BBOLT_STATS=" + stats,
	}
	if os.Getenv("BBOLT_ALL") != "" {
		choice = "-timeout=1h"
	}
	start := time.Now()
	outcome, failure := goTest(t, env, append([]string{"-modfile=" + modfile, choice}, packages...))
	t.Logf("%v: of bbolt's tests, subtests among them, %d passed, %d were skipped, %d failed, in %v",
		s, len(outcome["pass"]), len(outcome["skip"]), len(outcome["fail"]), time.Since(start).Round(time.Second))
	t.Logf("skipped: %s", strings.Join(outcome["skip"], " "))
	if failure != nil {
		t.Errorf("bbolt's tests: %v", failure)
		unpatched(t, outcome["fail"])
	}
	if len(outcome["pass"]) < 300 { // of 350 with -short
		t.Errorf("%d of bbolt's tests passed: were they run?", len(outcome["pass"]))
	}
	databases, sum := total(t, stats)
	t.Logf("%d databases were closed, after %+v", databases, sum)
	switch {
	case databases < 300 || sum.Bytes < 1_000_000_000:
		t.Errorf("%d databases and %d bytes: bbolt did not write through the library", databases, sum.Bytes)
	case sum.Failed > 0:
		t.Errorf("%d writes failed", sum.Failed)
	case sum.ChangedWrites > 0:
		t.Errorf("%d writes changed in flight, but bbolt does not change a page that it writes", sum.ChangedWrites)
	case sum.Unaligned > 0:
		t.Errorf("%d writes of unaligned memory: the library copied it, so it could not see changes", sum.Unaligned)
	}
}

// goTest runs go test and returns the names of tests by outcome. err has the output
// of the tests that failed, or of go test.
func goTest(t *testing.T, env, args []string) (outcome map[string][]string, err error) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"test", "-count=1", "-json"}, args...)...)
	cmd.Env = append(cmd.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	outcome, said := map[string][]string{}, map[string]string{}
	for events := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct{ Action, Package, Test, Output string }
		if end := events.Decode(&e); end == io.EOF {
			break
		} else if end != nil {
			t.Fatalf("go test -json: %v\n%s", end, stderr.Bytes())
		}
		said[e.Package+e.Test] += e.Output
		if e.Action == "fail" {
			err = errors.Join(err, errors.New(said[e.Package+e.Test]))
		}
		if e.Test != "" {
			outcome[e.Action] = append(outcome[e.Action], e.Test)
		}
	}
	if err != nil && len(outcome["fail"]) == 0 {
		err = errors.Join(err, errors.New(stderr.String()))
	}
	return outcome, err
}

// unpatched logs which of the failed tests fail with unpatched bbolt, too.
func unpatched(t *testing.T, failed []string) {
	t.Helper()
	var names []string
	for _, name := range failed {
		name, _, _ = strings.Cut(name, "/")
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	run := "-run=^(" + strings.Join(names, "|") + ")$"
	outcome, err := goTest(t, nil, append([]string{"-modfile=" + patched(t, false), run}, packages...))
	t.Logf("of %v, with unpatched bbolt %v fail: %v", names, outcome["fail"], err)
}

// total adds up the Stats that databases reported when they were closed.
func total(t *testing.T, file string) (databases int, sum stablewrite.Stats) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatalf("no database was written through the library: %v", err)
	}
	defer f.Close()
	for lines := json.NewDecoder(f); ; databases++ {
		var s stablewrite.Stats
		if err := lines.Decode(&s); err == io.EOF {
			return databases, sum
		} else if err != nil {
			t.Fatal(err)
		}
		sum.Writes += s.Writes
		sum.Bytes += s.Bytes
		sum.Failed += s.Failed
		sum.ChangedWrites += s.ChangedWrites
		sum.Submissions += s.Submissions
		sum.Resubmitted += s.Resubmitted
		sum.Unaligned += s.Unaligned
		sum.PoolPeak = max(sum.PoolPeak, s.PoolPeak)
	}
}
