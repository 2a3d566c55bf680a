package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

// proof runs prove and returns its Records.
func proof(t *testing.T, program string, args ...string) (recs []record.Prove) {
	t.Helper()
	dir := testenv.DirectDir(t)
	cmd := exec.Command(program, append([]string{"prove", "--quick", "--json", "--dir", dir, "--out", filepath.Join(dir, "results")}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v: %v\n%s", args, err, &said)
	}
	for line := range strings.Lines(string(out)) {
		var r record.Prove
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if r.Kind != record.KindProve || r.Version != record.Version || r.System == nil || r.Kernel == "" || r.System.Kernel != r.Kernel {
			t.Errorf("a Record that is incomplete, or of another kernel: %s", line)
		}
		recs = append(recs, r)
	}
	written, _ := os.ReadFile(filepath.Join(dir, "results", "results.jsonl"))
	if !bytes.Equal(written, out) {
		t.Errorf("results.jsonl and what was printed differ")
	}
	return recs
}

// counts adds up Records.
type counts struct {
	record.Prove
	n, mismatches, evidence int
}

// of adds up the Records of a scenario, victim, writer ("verify by crc32c") and
// mutator.
func of(t *testing.T, recs []record.Prove, scenario record.Scenario, victim, writer string, k mutator.Kind) (c counts) {
	t.Helper()
	for _, r := range recs {
		if r.Scenario != scenario || r.Victim != victim || r.Writer() != writer || r.Mutator != k {
			continue
		}
		c.n++
		c.Writes += r.Writes
		c.Torn += r.Torn
		c.ReadErrors += r.ReadErrors
		c.WriteErrors += r.WriteErrors
		c.Resubmitted += r.Resubmitted
		c.Diverged += r.Diverged
		c.Written = r.Written
		c.evidence += len(r.Evidence)
		if r.Mismatches != nil {
			c.mismatches += *r.Mismatches
		}
	}
	if c.n == 0 || c.Writes == 0 {
		t.Errorf("no %s of %s against %v on %s", scenario, writer, k, victim)
	}
	return c
}

// clean requires that nothing went wrong.
func (c counts) clean(t *testing.T, what string) {
	t.Helper()
	if c.Torn+c.ReadErrors+c.WriteErrors+c.Diverged+c.mismatches != 0 {
		t.Errorf("%s: of %d writes %d torn (%d unreadable), %d refused, %d not the same on every leg; the victim counts %d",
			what, c.Writes, c.Torn, c.ReadErrors, c.WriteErrors, c.Diverged, c.mismatches)
	}
}

// Linux 6.1 has the fault of 2011 and lacks the fix. The stock mutator is that of the
// program of 2011, which runs here too; raw races against storm with any strategies.
func TestKernelBtrfs(t *testing.T) {
	testenv.Kernels(t)
	t.Parallel()
	recs := proof(t, program(t), "--kernels", "6.1", "--victims", "btrfs", "--scenarios", "race,read,program,crash,replay", "--programs", "modify-dio-in-flight,dio-race", "--strategies", "verify,bounce", "--mutators", "storm,aba,crcpage", "--until", "3m")
	race := races(t, recs, "btrfs", mutator.Storm)
	if c := race("raw", mutator.Storm); c.ReadErrors == 0 || c.mismatches == 0 || c.evidence == 0 {
		t.Errorf("raw against storm: %d of %d reads fail, the file system counts %d and logs %d lines", c.ReadErrors, c.Writes, c.mismatches, c.evidence)
	}
	if c := race("verify", mutator.ABA); c.ReadErrors == 0 {
		t.Errorf("verify against aba: 0 of %d reads fail", c.Writes)
	}
	if c := race("verify by crc32c", mutator.CRCPage); c.ReadErrors == 0 {
		t.Errorf("verify by crc32c against crcpage: 0 of %d reads fail", c.Writes)
	}
	race("verify", mutator.CRCPage).clean(t, "verify against crcpage")
	for _, k := range []mutator.Kind{mutator.ABA, mutator.CRCPage} {
		race("bounce", k).clean(t, "bounce against "+k.String())
	}
	// On a busy machine the gate may miss every one of the few writes before a power
	// cut; the recorded ones are not gated.
	if cut, replayed := of(t, recs, record.Crash, "btrfs", "verify", mutator.Storm), of(t, recs, record.Replay, "btrfs", "verify", mutator.Storm); cut.Torn+replayed.Torn == 0 {
		t.Errorf("verify left nothing torn in %d crashes: the crash window was not shown", cut.Writes+replayed.Writes)
	}
	for _, s := range []record.Scenario{record.Crash, record.Replay} {
		of(t, recs, s, "btrfs", "bounce", mutator.Storm).clean(t, string(s))
	}
	of(t, recs, record.SameBase, "btrfs", "raw", mutator.None)
	ranOf(t, recs, "modify-dio-in-flight")
	if ranOf(t, recs, "dio-race") == 0 {
		t.Error("watch saw no write of dio-race change in flight")
	}
	if said := answer(t, recs, "btrfs"); said != "open" {
		t.Errorf("probe says %q", said)
	}
}

// ranOf requires that some blocks that a program wrote cannot be read back, and that under
// run all can, and no write was direct. It returns how many writes watch saw change. That
// may be 0: a change may come after the checksum of the file system, but before watch's.
func ranOf(t *testing.T, recs []record.Prove, program string) (changed int64) {
	t.Helper()
	n := 0
	for _, r := range recs {
		if r.Program != program {
			continue
		}
		n++
		w := r.Watched
		if w == nil {
			t.Errorf("%s, guarded %v: it was not watched", program, r.Guarded)
			continue
		}
		changed += w.Changed
		switch {
		case r.Guarded && (r.Failure != "" || r.ReadErrors > 0 || *r.Mismatches > 0 || r.Writes == 0 || w.Writes > 0):
			t.Errorf("%s under run: %d of %d blocks cannot be read, the file system counts %d, %d writes were direct; it says %q", program, r.ReadErrors, r.Writes, *r.Mismatches, w.Writes, r.Failure)
		case !r.Guarded && (r.ReadErrors == 0 || *r.Mismatches == 0 || len(r.Evidence) == 0 || !strings.HasPrefix(program, w.Comm)):
			t.Errorf("%s: %d of %d blocks cannot be read, the file system counts %d and logs %d lines, and watch saw %+v", program, r.ReadErrors, r.Writes, *r.Mismatches, len(r.Evidence), *w)
		}
	}
	if n != 2 {
		t.Errorf("%s: %d Records, want one plain and one under run", program, n)
	}
	return changed
}

// races returns the races of recs on a victim. It requires that those of verify and bounce
// against a mutator are clean, and that verify resubmitted.
func races(t *testing.T, recs []record.Prove, victim string, k mutator.Kind) func(writer string, k mutator.Kind) counts {
	t.Helper()
	race := func(writer string, k mutator.Kind) counts { return of(t, recs, record.Race, victim, writer, k) }
	for _, writer := range []string{"verify", "bounce"} {
		race(writer, k).clean(t, fmt.Sprintf("%s against %v", writer, k))
	}
	if race("verify", k).Resubmitted == 0 {
		t.Errorf("verify against %v resubmitted nothing", k)
	}
	return race
}

func TestKernelMirror(t *testing.T) {
	testenv.Kernels(t)
	t.Parallel()
	recs := proof(t, program(t), "--kernels", "6.1", "--victims", "md-raid1", "--scenarios", "race", "--mutators", "storm")
	if c := races(t, recs, "md-raid1", mutator.Storm)("raw", mutator.Storm); c.Diverged == 0 || c.mismatches == 0 {
		t.Errorf("the legs differ after %d of %d writes, mismatch_cnt is %d", c.Diverged, c.Writes, c.mismatches)
	}
}

func TestKernelProtectionInformation(t *testing.T) {
	testenv.Kernels(t)
	t.Parallel()
	recs := proof(t, program(t), "--kernels", "6.1", "--victims", "t10-pi", "--scenarios", "race,faults", "--mutators", "hint")
	// Hint changes every other block. The others would be lost if only the changed blocks
	// went out again after a refusal.
	race := races(t, recs, "t10-pi", mutator.Hint)
	if c := race("raw", mutator.Storm); c.WriteErrors+c.ReadErrors == 0 || c.evidence == 0 {
		t.Errorf("of %d raw writes %d are refused and %d unreadable; the kernel logs %d lines", c.Writes, c.WriteErrors, c.ReadErrors, c.evidence)
	}
	if c := race("raw", mutator.Hint); c.WriteErrors == 0 {
		t.Errorf("0 of %d raw writes against hint are refused", c.Writes)
	}
	for _, writer := range []string{"raw", "verify", "bounce"} {
		c := of(t, recs, record.Faults, "t10-pi", writer, mutator.None)
		if c.Torn != 0 || c.WriteErrors+c.Resubmitted == 0 {
			t.Errorf("%s, writes failing below: %d are told of, %d healed, %d places are not what the writer was told", writer, c.WriteErrors, c.Resubmitted, c.Torn)
		}
	}
}

// answer returns the answer of probe for a victim.
func answer(t *testing.T, recs []record.Prove, victim string) (said string) {
	t.Helper()
	for _, r := range recs {
		if r.Scenario == record.Probing && r.Victim == victim {
			said = r.Answer
		}
	}
	return said
}

// closed requires that the kernel copies: no change in flight of any writer reaches the
// media, the Records have how that was shown, and probe agrees.
func closed(t *testing.T, recs []record.Prove, victim string, how stablewrite.Directness) {
	t.Helper()
	for _, r := range recs {
		if r.Victim != victim || r.Scenario != record.Race {
			continue
		}
		if r.Written != how || r.WrittenBy != record.ByBoth {
			t.Errorf("%s, %s against %v: written %v, by %q, want %v", victim, r.Writer(), r.Mutator, r.Written, r.WrittenBy, how)
		}
		if prove.Failed(r) > 0 || r.Gate && r.Strategy == stablewrite.Raw && r.Torn > 0 {
			t.Errorf("%s, %s against %v, gated %v: %d failed, %d torn", victim, r.Writer(), r.Mutator, r.Gate, prove.Failed(r), r.Torn)
		}
	}
	if said := answer(t, recs, victim); said != "closed" {
		t.Errorf("%s: probe says %q", victim, said)
	}
}

// 6.12 writes through the page cache instead, and the newest kernel bounces. Under both the
// media are sound, but receipts of verify may be false.
func TestKernelsThatCopy(t *testing.T) {
	testenv.Kernels(t)
	t.Parallel()
	recs := proof(t, program(t), "--kernels", "6.12,newest", "--victims", "btrfs", "--scenarios", "race", "--strategies", "verify,bounce", "--mutators", "storm,aba", "--until", "3m")
	of6 := slices.DeleteFunc(slices.Clone(recs), func(r record.Prove) bool { return !strings.HasPrefix(r.Kernel, "6.12.") })
	newest := slices.DeleteFunc(slices.Clone(recs), func(r record.Prove) bool { return strings.HasPrefix(r.Kernel, "6.12.") })
	// Each of two writers against each of two mutators, gated and free; raw against storm;
	// verify by tracking against aba, gated; and probe.
	if len(of6) != 12 || len(newest) != 12 {
		t.Fatalf("%d and %d Records, want 12 of each kernel", len(of6), len(newest))
	}
	closed(t, of6, "btrfs", stablewrite.DirectNo)
	closed(t, newest, "btrfs", stablewrite.DirectBounced)
	for _, recs := range [][]record.Prove{of6, newest} {
		for _, writer := range []string{"bounce", "verify by tracking"} {
			of(t, recs, record.Race, "btrfs", writer, mutator.ABA).clean(t, writer+" against aba on "+recs[0].Kernel)
		}
		if c := of(t, recs, record.Race, "btrfs", "verify", mutator.ABA); c.Torn == 0 {
			t.Errorf("%s: %d receipts of verify against aba are all true", recs[0].Kernel, c.Writes)
		}
	}
}

// The newest kernel bounces for xfs where the device says that it needs stable
// pages, and leaves mirrors open.
func TestKernelNewestOnStacks(t *testing.T) {
	testenv.Kernels(t)
	t.Parallel()
	recs := proof(t, program(t), "--kernels", "newest", "--victims", "xfs-on-t10-pi,ext4-on-md-raid1", "--scenarios", "race", "--mutators", "storm")
	closed(t, recs, "xfs-on-t10-pi", stablewrite.DirectBounced)
	if c := races(t, recs, "ext4-on-md-raid1", mutator.Storm)("raw", mutator.Storm); c.Diverged == 0 || c.Written != stablewrite.DirectYes {
		t.Errorf("the legs differ after %d of %d writes, which are %v", c.Diverged, c.Writes, c.Written)
	}
	if said := answer(t, recs, "ext4-on-md-raid1"); said == "closed" {
		t.Errorf("ext4-on-md-raid1: probe says %q", said)
	}
}

// machines lists the processes of QEMU that were started in dir.
func machines(t *testing.T, dir string) (pids []string) {
	t.Helper()
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		comm, _ := os.ReadFile(name)
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(name), "cwd"))
		if strings.HasPrefix(string(comm), "qemu-system") && cwd == dir {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}

// No machine and no file is left, however a proof ends, and with two proofs at once.
func TestKernelsLeaveNothingBehind(t *testing.T) {
	testenv.Kernels(t)
	name := program(t)
	start := func(dir string) *exec.Cmd {
		cmd := exec.Command(name, "prove", "--kernels", "6.1", "--victims", "btrfs,md-raid1", "--scenarios", "race")
		cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Setpgid: true}
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); len(machines(t, dir)) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("no machine runs\n%s", &said)
			}
		}
		return cmd
	}
	first, second := testenv.DirectDir(t), testenv.DirectDir(t)
	interrupted, killed := start(first), start(second)
	time.Sleep(time.Second)
	syscall.Kill(-interrupted.Process.Pid, syscall.SIGINT)
	killed.Process.Kill()
	interrupted.Wait()
	killed.Wait()
	if code := interrupted.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("interrupted: exit code %d, want %d", code, exitInterrupted)
	}
	for _, dir := range []string{first, second} {
		for deadline := time.Now().Add(10 * time.Second); len(machines(t, dir)) > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("machines are left: %v", machines(t, dir))
			}
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("left behind: %v", entries)
		}
	}
}
