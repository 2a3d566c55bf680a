package cost

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

func TestPeersWriteAsMuchAsTheySay(t *testing.T) {
	installed, missing := Peers()
	if len(missing) > 0 {
		testenv.Missing(t, "the commands %v", missing)
	}
	p := filePlan(t)
	p.Strategies, p.Variants, p.Sizes = []stablewrite.Strategy{stablewrite.Raw}, installed, []int{64 << 10}
	p.Rounds = 1
	t.Chdir(t.TempDir())
	recs, notes, _ := timed(t, p)
	for _, n := range notes {
		if !strings.HasPrefix(n, "fio io_uring") { // the kernel may forbid it
			t.Error(n)
		}
	}
	seen := map[record.Variant]int{}
	for _, r := range recs {
		seen[r.Variant]++
		if r.Bytes <= 0 || r.Bytes != r.Writes*int64(r.Size) || r.Seconds <= 0 || r.P50NS > r.P99NS || r.Variant != record.DD && r.P50NS <= 0 {
			t.Errorf("%s: %+v", r.Writer(), r)
		}
	}
	if seen[record.FioPsync] != 2 || seen[record.FioPsyncSum] != 2 || seen[record.DD] != 1 {
		t.Errorf("%v", seen)
	}
	if left, _ := os.ReadDir("."); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	region, _ := p.region()
	if st, err := p.Target.Stat(); err != nil || st.Size() != region {
		t.Errorf("the target has %d bytes, %v", st.Size(), err)
	}
}

// programs makes scripts for sh the only programs in PATH.
func programs(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestAPeerThatFailsIsNamedOnceAndLeftOut(t *testing.T) {
	programs(t, map[string]string{"fio": `echo "fio: no such engine" >&2; exit 1`, "dd": "echo nothing >&2"})
	installed, missing := Peers()
	if len(installed) != 4 || len(missing) != 0 {
		t.Fatalf("installed %v, missing %v", installed, missing)
	}
	p := filePlan(t)
	p.Strategies, p.Variants, p.Depths = []stablewrite.Strategy{stablewrite.Raw}, installed, []int{1}
	recs, notes, steps := timed(t, p)
	if len(recs) != p.Rounds || steps != p.Cells() {
		t.Errorf("%d records, %d steps of %d", len(recs), steps, p.Cells())
	}
	text := strings.Join(notes, "\n")
	if len(notes) != 4 || !strings.Contains(text, "fio psync failed and is left out from here on: fio: exit status 1: fio: no such engine") || !strings.Contains(text, "dd: no summary in its output: nothing") {
		t.Errorf("%s", text)
	}
}

func TestPeersThatAreNotInstalledAreNamed(t *testing.T) {
	programs(t, nil)
	if installed, missing := Peers(); len(installed) != 0 || strings.Join(missing, " ") != "fio dd" {
		t.Errorf("installed %v, missing %v", installed, missing)
	}
	if _, err := exec.LookPath("dd"); err == nil {
		t.Error("there is a dd")
	}
}

func TestParseFio(t *testing.T) {
	good := `{"jobs":[{"error":0,"usr_cpu":25,"sys_cpu":50,"job_runtime":800,"write":{"io_bytes":8192,"runtime":200,"total_ios":2,"lat_ns":{"percentile":{"50.000000":10,"99.000000":20,"99.900000":30}}}}]}`
	rec, err := parseFio([]byte(good))
	if err != nil || rec.Bytes != 8192 || rec.Seconds != 0.2 || rec.Writes != 2 || rec.CPUUserSeconds != 0.2 || rec.CPUSystemSeconds != 0.4 || rec.P50NS != 10 || rec.P99NS != 20 || rec.P999NS != 30 {
		t.Errorf("%+v, %v", rec, err)
	}
	for name, bad := range map[string]string{
		"empty": "", "truncated": good[:50], "no jobs": `{"jobs":[]}`, "two jobs": `{"jobs":[{},{}]}`,
		"error":   strings.Replace(good, `"error":0`, `"error":5`, 1),
		"nothing": strings.Replace(good, `"io_bytes":8192`, `"io_bytes":0`, 1),
		"no time": strings.Replace(good, `"runtime":200`, `"runtime":0`, 1),
	} {
		if _, err := parseFio([]byte(bad)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParseDD(t *testing.T) {
	rec, err := parseDD([]byte("16+0 records in\n16+0 records out\n16777216 bytes (17 MB, 16 MiB) copied, 0.0123 s, 1.4 GB/s\n"))
	if err != nil || rec.Bytes != 16777216 || rec.Seconds != 0.0123 {
		t.Errorf("%+v, %v", rec, err)
	}
	if rec, err = parseDD([]byte("4096 bytes (4.1 kB, 4.0 KiB) copied, 8.2e-05 s, 50 MB/s\n")); err != nil || rec.Seconds != 8.2e-05 {
		t.Errorf("%+v, %v", rec, err)
	}
	for _, bad := range []string{"", "0 bytes copied, 1 s, 0 kB/s", "5 bytes copied, 0 s, 0 kB/s", "5 bytes copied, e s, ", "99999999999999999999 bytes copied, 1 s, "} {
		if _, err := parseDD([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
