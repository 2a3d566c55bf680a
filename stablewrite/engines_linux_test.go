package stablewrite

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// onBothEngines runs test with a ring and with blocking calls, each on a new file of so
// many bytes, which are on the media and not in the page cache. With
// STABLEPAGES_ENGINE=calls it runs test only with calls.
func onBothEngines(t *testing.T, bytes int, test func(t *testing.T, name string, o Options)) {
	t.Helper()
	for _, e := range slices.Compact([]Engine{cmp.Or(defaultEngine, ByRing), ByCalls}) {
		t.Run(e.String(), func(t *testing.T) {
			defer watch(t.Name(), time.Minute)()
			name := filepath.Join(testenv.DirectDir(t), "f")
			if err := os.WriteFile(name, make([]byte, bytes), 0o600); err != nil {
				t.Fatal(err)
			}
			testenv.Media(t, name)
			f, err := Open(name, Options{Engine: e})
			if err != nil {
				testenv.Missing(t, "%v", err)
			}
			f.Close()
			test(t, name, Options{Engine: e})
		})
	}
}

// with returns o with Strategy s.
func (o Options) with(s Strategy) Options {
	o.Strategy = s
	return o
}

// opened opens a File, and closes it when the test ends, if it is open then.
func opened(t testing.TB, name string, o Options) *File {
	t.Helper()
	f, err := Open(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// aloneEnv names the test that this process was started for.
const aloneEnv = "STABLEWRITE_TEST_ALONE"

// alone runs the test in a new process, in which no other test runs, and returns false.
// In that process it returns true.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneEnv) == t.Name() {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), aloneEnv+"="+t.Name(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	} else if _, why, ok := strings.Cut(string(out), "missing: "); ok {
		testenv.Missing(t, "%s", strings.SplitN(why, "\n", 2)[0])
	}
	return false
}
