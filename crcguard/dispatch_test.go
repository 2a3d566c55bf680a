package crcguard_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

// needs lists the features of each kernel, as Linux names them in /proc/cpuinfo: a
// check of package cpu.
var needs = map[string][]string{
	"avx512": {"avx512f", "avx512vl", "vpclmulqdq", "pclmulqdq", "sse4_2"},
	"sse42":  {"pclmulqdq", "sse4_2"},
}

func flags(t *testing.T) []string {
	t.Helper()
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		testenv.Missing(t, "/proc/cpuinfo: %v", err)
	}
	for line := range strings.Lines(string(info)) {
		if name, list, ok := strings.Cut(line, ":"); ok && (strings.HasPrefix(name, "flags") || strings.HasPrefix(name, "Features")) {
			return strings.Fields(list)
		}
	}
	t.Fatal("/proc/cpuinfo says nothing of features")
	return nil
}

// Other tests pass with a slow kernel, too: only this test shows that the fastest runs.
func TestTheFastestKernelOfThisProcessorRuns(t *testing.T) {
	if runtime.GOOS != "linux" {
		testenv.Missing(t, "/proc/cpuinfo")
	}
	has := flags(t)
	want := "portable"
	names, _ := crcguard.Kernels()
	for _, name := range slices.Backward(names) {
		if list, ok := needs[name]; ok && !slices.ContainsFunc(list, func(f string) bool { return !slices.Contains(has, f) }) {
			want = name
		}
	}
	if named := os.Getenv("CRCGUARD_KERNEL"); named != "" {
		want = named
	}
	if got := crcguard.Kernel(); got != want {
		t.Errorf("the kernel is %s; by its features this processor runs %s", got, want)
	}
}

// Each of these runs in a new process, because a process chooses its kernel once.
func TestTheKernelFallsBackWithTheFeaturesOfTheProcessor(t *testing.T) {
	names, available := crcguard.Kernels()
	best := func(not ...string) string {
		for i, name := range names {
			if available[i] && !slices.Contains(not, name) {
				return name
			}
		}
		return "portable"
	}
	for _, tc := range []struct{ env, want string }{
		{"", best()},
		{"GODEBUG=cpu.avx512vpclmulqdq=off", best("avx512")},
		{"GODEBUG=cpu.avx512f=off", best("avx512")},
		{"GODEBUG=cpu.avx512vl=off", best("avx512")},
		{"GODEBUG=cpu.pclmulqdq=off", "portable"},
		{"GODEBUG=cpu.sse42=off", "portable"},
		{"CRCGUARD_KERNEL=portable", "portable"},
		{"CRCGUARD_KERNEL=sse42", map[bool]string{true: "sse42", false: best()}[slices.Contains(names, "sse42") && best("avx512") == "sse42"]},
		{"CRCGUARD_KERNEL=avx1024", best()},
	} {
		t.Run(tc.env, func(t *testing.T) {
			if strings.HasPrefix(tc.env, "GODEBUG") && !slices.Contains(names, "sse42") {
				tc.env = "" // nothing that could be masked was built
			}
			child := exec.Command(os.Args[0], "-test.run", "^TestSaysItsKernel$", "-test.v")
			child.Env = []string{"GORACE=atexit_sleep_ms=0"}
			for _, kv := range append(os.Environ(), tc.env) {
				if name, _, _ := strings.Cut(kv, "="); kv == tc.env || name != "GODEBUG" && name != "CRCGUARD_KERNEL" {
					child.Env = append(child.Env, kv)
				}
			}
			out, err := child.CombinedOutput()
			if err != nil || !bytes.Contains(out, fmt.Appendf(nil, "the kernel is %s, its sums are right", tc.want)) {
				t.Errorf("want %s: %v\n%s", tc.want, err, out)
			}
		})
	}
}

func TestSaysItsKernel(t *testing.T) {
	// Read here, too, for the cache of test results: the package reads it too early.
	t.Logf("CRCGUARD_KERNEL=%s", os.Getenv("CRCGUARD_KERNEL"))
	p := random(newRand(), 100_000)
	equal(t, p, make([]byte, len(p)), 512, newReferenceAt(p, 512))
	t.Logf("the kernel is %s, its sums are right", crcguard.Kernel())
}
