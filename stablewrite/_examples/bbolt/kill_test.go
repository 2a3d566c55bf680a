package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

// TestEveryAcknowledgedCommitSurvivesSIGKILL kills a writer at random moments,
// and reads its database with bbolt without the patch.
func TestEveryAcknowledgedCommitSurvivesSIGKILL(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "bbolt")
	build := exec.Command("go", "build", "-modfile="+patched(t, true), "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, s := range []stablewrite.Strategy{stablewrite.Verify, stablewrite.Bounce} {
		t.Run(s.String(), func(t *testing.T) {
			if sum := killed(t, s, program); sum.ChangedWrites > 0 || sum.Unaligned > 0 {
				t.Errorf("bbolt must not change a page in flight, and must write aligned memory: %+v", sum)
			}
		})
		// The control: pages change in flight. Verify must see that; Bounce writes a copy.
		t.Run(s.String()+" of meta pages that change", func(t *testing.T) {
			sum := killed(t, s, program, "-scribble")
			if seen := sum.ChangedWrites > 0; seen != (s == stablewrite.Verify) {
				t.Errorf("changes seen: %v, wrong for this strategy; %+v", seen, sum)
			}
		})
	}
}

// killed runs program on one database, kills all runs but the last, and returns the
// counts of all runs. The counts of a killed run end at its last commit.
func killed(t *testing.T, s stablewrite.Strategy, program string, flags ...string) (sum stablewrite.Stats) {
	const kills, commits = 12, 50
	file := filepath.Join(testenv.DirectDir(t), "db")
	var last uint64 // the last commit found or acknowledged
	for run := range kills + 1 {
		args := append(flags[:len(flags):len(flags)], file)
		var after time.Duration
		if run < kills {
			after = 1 + time.Duration(rand.Int64N(int64(400*time.Millisecond)))
		} else {
			args = append([]string{fmt.Sprint("-commits=", commits)}, args...)
		}
		cmd := exec.Command(program, args...)
		cmd.Env = append(cmd.Environ(), "BBOLT_STRATEGY="+s.String())
		var uncounted int64
		if empty(file) {
			uncounted = 1 // bbolt does not count the write that makes a database
		}
		told := start(t, cmd, after)
		if told.Commit > 0 && told.Stable.Writes != told.Writes+uncounted {
			t.Errorf("bbolt wrote %d times, of these %d through the library", told.Writes+uncounted, told.Stable.Writes)
		}
		sum.Writes += told.Stable.Writes
		sum.ChangedWrites += told.Stable.ChangedWrites
		sum.Unaligned += told.Stable.Unaligned
		if last = max(last, told.Commit); last > 0 || !empty(file) {
			last = check(t, file, last)
		}
	}
	t.Logf("%d kills, %d commits, %d writes, %d changed in flight", kills, last, sum.Writes, sum.ChangedWrites)
	return sum
}

// start runs cmd, kills it after a time unless that is 0, and returns its last report,
// that of the last acknowledged commit. A report is one write to a pipe, so it is whole.
func start(t *testing.T, cmd *exec.Cmd, after time.Duration) (last progress) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		defer time.AfterFunc(after, func() { cmd.Process.Kill() }).Stop()
	}
	for lines := json.NewDecoder(out); ; {
		if err := lines.Decode(&last); err == io.EOF {
			break
		} else if err != nil {
			t.Error(err)
			break
		}
	}
	if err := cmd.Wait(); (err != nil) != (after > 0) || cmd.ProcessState.ExitCode() > 0 {
		t.Fatalf("%v ended before the kill, or failed: %v", cmd.Args, err)
	}
	return last
}

func empty(file string) bool {
	st, err := os.Stat(file)
	return err != nil || st.Size() == 0
}

// check reads the database with unpatched bbolt, through the page cache. It must be
// consistent and have every acknowledged commit. One more commit may be there; check
// returns the number of the last.
func check(t *testing.T, file string, acknowledged uint64) (last uint64) {
	t.Helper()
	db, err := bbolt.Open(file, 0o666, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) (err error) {
		for err := range tx.Check() {
			t.Error(err)
		}
		last, err = verify(tx)
		return err
	})
	if err == nil && last != acknowledged && last != acknowledged+1 {
		err = fmt.Errorf("the last commit is %d, and %d were acknowledged", last, acknowledged)
	}
	if err != nil {
		t.Fatal(err)
	}
	return last
}
