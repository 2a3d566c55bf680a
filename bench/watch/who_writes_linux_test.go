package watch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stablepages/bench/testenv"
)

// programs/who-writes.c names the function that stores into the buffer of a write, if any
// does.
func TestWhoWritesNamesTheFunctionThatStores(t *testing.T) {
	t.Parallel()
	testenv.Tool(t, "gcc")
	dir := testenv.DirectDir(t)
	library, program := filepath.Join(dir, "who-writes.so"), filepath.Join(dir, "scribbler")
	for _, args := range [][]string{
		{"-O2", "-shared", "-fPIC", "-o", library, "programs/who-writes.c"},
		{"-O1", "-fno-omit-frame-pointer", "-rdynamic", "-pthread", "-o", program, "testdata/scribbler.c"},
	} {
		if out, err := exec.Command("gcc", append([]string{"-Wall", "-Wextra", "-Werror"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("gcc %v: %v\n%s", args, err, out)
		}
	}
	for _, stores := range []bool{true, false} {
		cmd := exec.Command(program, filepath.Join(dir, "f"))
		if stores {
			cmd.Args = append(cmd.Args, "into what is written")
		}
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+library)
		log, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, log)
		}
		if said := string(log); strings.Contains(said, "perf_event_open: ") {
			testenv.Missing(t, "hardware watchpoints: %s", said)
		}
		for _, sign := range []string{"changed from", "stored from", "(scribble+"} {
			if strings.Contains(string(log), sign) != stores {
				t.Errorf("stores into what is written: %t; %q in the log: %t\n%s", stores, sign, !stores, log)
			}
		}
	}
}
