package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
)

func TestSIGINTEndsABenchWithTheTablesSoFar(t *testing.T) {
	dir := testenv.DirectDir(t)
	cmd, out := command(dir, "bench", "--peers=false", "--strategies", "verify", "--sizes", "4k", "--depths", "1", "--mutated", "0", "--rounds", "100000", "--time", "5ms", "--out", "results", "f")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(dir, "results", "results.jsonl"))
	syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(out.String(), "interrupted; Records until then: results") || !strings.Contains(out.String(), " on a file, hot buffers") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	results, err := os.ReadFile(filepath.Join(dir, "results", "results.jsonl"))
	for line := range strings.Lines(string(results)) {
		var rec record.Cost
		if err := json.Unmarshal([]byte(line), &rec); err != nil || rec.Kind != record.KindCost || rec.Version != record.Version {
			t.Errorf("%v in %s", err, line)
		}
	}
	if err != nil || len(results) == 0 {
		t.Errorf("%v: no results", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "f")); err == nil {
		t.Error("the file was left behind")
	}
}
