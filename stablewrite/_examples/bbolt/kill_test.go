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
				t.Errorf("bbolt leaves a page alone that it writes, and gives it whole; yet %+v", sum)
			}
		})
		// The control: zero changes mean something only where changes are seen.
		t.Run(s.String()+" of meta pages that change", func(t *testing.T) {
			sum := killed(t, s, program, "-scribble")
			if seen := sum.ChangedWrites > 0; seen != (s == stablewrite.Verify) {
				t.Errorf("changes were seen: %v; %+v", seen, sum)
			}
		})
	}
}

// killed lets program write a database, kills it some times and lets it end once,
// and returns what it wrote. A run that is killed tells until its last commit.
func killed(t *testing.T, s stablewrite.Strategy, program string, flags ...string) (sum stablewrite.Stats) {
	const kills, commits = 12, 50
	file := filepath.Join(testenv.DirectDir(t), "db")
	var last uint64 // that was found or acknowledged
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

// start runs cmd, kills it after some time unless that is 0, and returns what it told
// last: the last acknowledged commit. Each is one write to a pipe, whole or not at all.
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
		t.Fatalf("%v ended before it was killed, or not well: %v", cmd.Args, err)
	}
	return last
}

func empty(file string) bool {
	st, err := os.Stat(file)
	return err != nil || st.Size() == 0
}

// check requires of the database, read with bbolt without the patch and through the page
// cache, that it is consistent and has every value up to the last that was
// acknowledged. One more may have been committed; it returns the last.
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
