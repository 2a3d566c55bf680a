package repro

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

func TestMain(m *testing.M) {
	mutator.Main()
	os.Exit(m.Run())
}

func target(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(testenv.DirectDir(t), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func runRace(t *testing.T, cfg Config) record.Repro {
	t.Helper()
	if cfg.Size == 0 {
		cfg.Size = 128 << 10
	}
	if cfg.Writes == 0 {
		cfg.Writes = 40
	}
	if cfg.Hold == 0 {
		cfg.Hold = DefaultHold
	}
	rec, err := Run(context.Background(), cfg, nil)
	if err != nil {
		t.Fatalf("%v against %v: %v", cfg.Strategy, cfg.Mutator, err)
	}
	if rec.Writes != cfg.Writes && !cfg.StopAtReadError {
		t.Errorf("%d writes, want %d", rec.Writes, cfg.Writes)
	}
	return rec
}

// Bounce is never torn: every mutator, process and thread, gated and free.
func TestBounceIsNeverTorn(t *testing.T) {
	f := target(t)
	for _, k := range mutator.Kinds() {
		for _, in := range []mutator.Where{mutator.Process, mutator.Thread} {
			for _, gate := range []bool{false, true} {
				rec := runRace(t, Config{Target: f, Strategy: stablewrite.Bounce, Mutator: k, In: in, Gate: gate, Seed: 1})
				if rec.Torn != 0 || rec.WriteErrors != 0 {
					t.Errorf("%v in a %v, gated %v: %+v", k, in, gate, rec)
				}
				if gate && k != mutator.None && rec.Overlapped != rec.Writes {
					t.Errorf("%v in a %v: %d of %d writes changed in flight", k, in, rec.Overlapped, rec.Writes)
				}
			}
		}
	}
}

func TestWhatEachStrategyPromisesHolds(t *testing.T) {
	f := target(t)
	for _, s := range stablewrite.Strategies() {
		for _, k := range mutator.Kinds() {
			if s == stablewrite.Raw && k != mutator.None || s == stablewrite.Bounce || !s.Promise().Holds(k.Restores(), false) && k != mutator.None {
				continue
			}
			rec := runRace(t, Config{Target: f, Strategy: s, Mutator: k, Gate: true, Seed: 2})
			if rec.Torn != 0 {
				t.Errorf("%v against %v: %d of %d writes torn", s, k, rec.Torn, rec.Writes)
			}
			if rec.WriteErrors != rec.Refused || rec.Refused > 0 && !s.Promise().Refuses {
				t.Errorf("%v against %v: %d writes failed, %d refused", s, k, rec.WriteErrors, rec.Refused)
			}
			if s == stablewrite.Verify && k != mutator.None && rec.Resubmitted == 0 {
				t.Errorf("%v against %v: nothing was resubmitted", s, k)
			}
		}
	}
}

// Races show the holes of strategies that do not promise against them.
func TestTheHolesAreShown(t *testing.T) {
	f := target(t)
	for _, cfg := range []Config{
		{Strategy: stablewrite.Raw, Mutator: mutator.Storm},
		{Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true},
		{Strategy: stablewrite.Verify, Mutator: mutator.ABA, Gate: true, Hold: DefaultGatedHold},
		{Strategy: stablewrite.Verify, Mutator: mutator.ABA, Hold: DefaultHold},
		{Strategy: stablewrite.Verify, Mutator: mutator.CRCPage, Detect: stablewrite.BySum},
	} {
		cfg.Target, cfg.Seed, cfg.Size, cfg.Duration = f, 3, 1<<20, 20*time.Second
		ctx, shown := context.WithCancel(context.Background())
		rec, err := Run(ctx, cfg, func(r record.Repro) {
			if r.Torn > 0 {
				shown()
			}
		})
		shown()
		if err != nil {
			t.Error(err)
		}
		if rec.Torn == 0 {
			t.Errorf("%v against %v, gated %v: nothing torn in %d writes", cfg.Strategy, cfg.Mutator, cfg.Gate, rec.Writes)
		}
	}
}

// The control: the kernel takes its copy before the submission returns, so a gated
// change must not tear a write. Otherwise the gate would open too early.
func TestNegativeControl(t *testing.T) {
	f := target(t)
	for _, k := range mutator.Kinds() {
		rec := runRace(t, Config{Target: f, Strategy: stablewrite.Raw, Buffered: true, Mutator: k, Gate: true})
		if rec.Torn != 0 || k != mutator.None && rec.Overlapped != rec.Writes {
			t.Errorf("%v: %d of %d writes torn, %d changed in flight", k, rec.Torn, rec.Writes, rec.Overlapped)
		}
	}
}

func TestTheOracleSeesADamagedBlock(t *testing.T) {
	f := target(t)
	p := make([]byte, 8*4096)
	if _, err := f.WriteAt(p, 0); err != nil {
		t.Fatal(err)
	}
	o, err := NewOracle(f, len(p))
	if err != nil {
		t.Fatal(err)
	}
	defer o.f.Close()
	if torn, _, err := o.Judge(0, make([]uint32, 8)); err != nil || !torn {
		t.Errorf("sums of nothing are true: %v, %v", torn, err)
	}
	want := append([]uint32(nil), o.sums...)
	if torn, _, err := o.Judge(0, want); err != nil || torn {
		t.Errorf("the media as they are: %v, %v", torn, err)
	}
	if _, err := f.WriteAt([]byte{1}, 5*4096+77); err != nil {
		t.Fatal(err)
	}
	if torn, readErr, err := o.Judge(0, want); err != nil || !torn || readErr != nil {
		t.Errorf("one bit: %v, %v, %v", torn, readErr, err)
	}
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.Judge(0, want); err == nil {
		t.Error("a file that was cut short is no error")
	}
}

// A read that the device fails by itself does not count against a strategy.
func TestAReadThatFailsByItselfIsNoVerdict(t *testing.T) {
	f := target(t)
	r := race{oracle: &Oracle{f: f, buf: make([]byte, 4096), sums: make([]uint32, 1)}}
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	if err := r.oracle.selfTest(0); err != nil {
		t.Errorf("a sound device fails its test: %v", err)
	}
	for _, r.cfg.Mirror = range []bool{false, true} {
		r.w.Sums = make([]uint32, 1)
		if err := r.doubt(false, syscall.EIO); (err == nil) != r.cfg.Mirror {
			t.Errorf("a read that failed, and then succeeded, on a mirror %v: %v", r.cfg.Mirror, err)
		}
	}
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	r.oracle.f = closed // takes no writes
	if err := r.oracle.selfTest(0); err == nil {
		t.Error("a device that takes no writes passes its test")
	}
}

func TestARaceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	f := target(t)
	for _, planned := range []bool{false, true} {
		cfg := Config{Target: f, Strategy: stablewrite.Raw, Mutator: mutator.Storm, Size: 4096}
		if planned {
			cfg.Duration = time.Hour
		}
		rec, err := Run(ctx, cfg, nil)
		if err != nil || rec.Interrupted != planned {
			t.Errorf("planned %v: %v, interrupted %v", planned, err, rec.Interrupted)
		}
	}
}

// A race whose time ends does not touch its buffer after the buffer is unmapped.
func TestManyRacesThatEndAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 16 {
		f := target(t)
		wg.Go(func() {
			for i := range 50 {
				if _, err := Run(context.Background(), Config{Target: f, Size: 4096, Duration: time.Duration(100+4*i) * time.Microsecond}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestNothingIsLeftOpen(t *testing.T) {
	f := target(t)
	count := func() int {
		names, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	runRace(t, Config{Target: f, Mutator: mutator.Storm, Gate: true, Writes: 1})
	before := count()
	for range 5 {
		runRace(t, Config{Target: f, Mutator: mutator.Storm, Gate: true, Writes: 1})
		if _, err := Run(context.Background(), Config{Target: f, Mutator: mutator.Storm, Size: 100}, nil); err == nil {
			t.Error("an unaligned size is no error")
		}
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// A device that vanished fails every write, and ends the race. A device that refuses
// every write because its buffer changed is sound, and does not end it.
func TestADeviceThatFailsByItselfEndsTheRace(t *testing.T) {
	sound := target(t)
	if err := sound.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	gone, err := os.Open(os.DevNull) // takes no writes
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	for _, cause := range []error{syscall.EILSEQ, fmt.Errorf("%w: %w", stablewrite.ErrChanged, syscall.EIO)} {
		r := race{oracle: &Oracle{f: sound, buf: make([]byte, 4096)}}
		for range 3 * testEvery {
			if err := r.failed(&stablewrite.WriteError{Err: cause}, false); err != nil {
				t.Fatalf("%v on a sound device: %v", cause, err)
			}
		}
		if err := r.failed(&stablewrite.WriteError{Err: cause}, true); !errors.Is(err, cause) {
			t.Errorf("%v though nothing changed: %v", cause, err)
		}
		if r.rec.WriteErrors != 3*testEvery {
			t.Errorf("%d write errors", r.rec.WriteErrors)
		}
		r.oracle.f, r.failures = gone, 0
		if err := r.failed(&stablewrite.WriteError{Err: cause}, false); !errors.Is(err, cause) {
			t.Errorf("%v on a device that is gone: %v", cause, err)
		}
	}
}

func TestTheRaceOf2011EndsAtAFailedRead(t *testing.T) {
	for _, stop := range []bool{false, true} {
		r := race{cfg: Config{StopAtReadError: stop}, rec: record.Repro{ReadErrors: 1}}
		if r.done() != stop {
			t.Errorf("StopAtReadError %v: done %v", stop, r.done())
		}
	}
}

func TestJudge(t *testing.T) {
	raw, verify, direct := stablewrite.Raw, stablewrite.Verify, stablewrite.DirectYes
	for _, tc := range []struct {
		rec  record.Repro
		out  Outcome
		text string
	}{
		{record.Repro{Strategy: verify, Mutator: mutator.ABA, Written: direct, Gate: true, Writes: 972, Overlapped: 453, Torn: 123}, Torn,
			"972 writes, 453 changed in flight, 123 torn: verify does not protect against aba\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: verify, Mutator: mutator.Storm, Written: direct, Writes: 300, Overlapped: 300, Resubmitted: 299}, Clean,
			"300 writes, 300 overlapped by changes, 299 resubmitted, 0 torn: verify protected against storm\n0 of 300 such writes torn: the rate is below 1% (3/n, 95%)\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: verify, Mutator: mutator.CRCPage, Detect: stablewrite.BySum, Writes: 1, Overlapped: 1, Torn: 1, ReadErrors: 1}, Torn,
			"1 write, 1 overlapped by changes, 1 torn: verify by crc32c does not protect against crcpage\nverdict of the program of 2011, which only looks for failed reads: 1 read failed"},
		{record.Repro{Strategy: raw, Mutator: mutator.Storm, Written: direct, Writes: 5, Overlapped: 5, WriteErrors: 5}, Failed,
			"5 writes, 5 overlapped by changes, 5 refused by the device, 0 torn: the device refused writes\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: raw, Mutator: mutator.Stock, Written: direct, Writes: 5}, Inconclusive,
			"5 writes, 0 overlapped by changes, 0 torn: inconclusive, no change overlapped a write; run longer, or use --gate\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: raw, Mutator: mutator.Stock}, Inconclusive,
			"0 writes, 0 overlapped by changes, 0 torn: inconclusive, nothing was written\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: raw, Buffered: true, Mutator: mutator.Storm, Written: direct, Gate: true, Writes: 30, Overlapped: 30}, Clean,
			"30 writes, 30 changed in flight, 0 torn: raw through the page cache was not torn by storm\n0 of 30 such writes torn: the rate is below 10% (3/n, 95%)\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: stablewrite.Detect, Mutator: mutator.Flip, Written: direct, Gate: true, Writes: 9, Overlapped: 9, Changed: 9, WriteErrors: 9, Refused: 9}, Clean,
			"9 writes, 9 changed in flight, 9 refused by the strategy, 0 torn: detect reported every change by flip that mattered\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: raw, Mutator: mutator.None, Writes: 9}, Clean,
			"9 writes, 0 overlapped by changes, 0 torn: raw wrote the buffer unchanged\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: verify, Mutator: mutator.Storm, Gate: true, Writes: 3, Overlapped: 3}, Clean,
			"3 writes, 3 changed in flight, 0 torn: verify protected against storm\n0 of 3 such writes torn: the rate is below 100% (3/n, 95%)\nit is not known how the kernel writes this file: this result says little unless raw is torn here\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: verify, Mutator: mutator.Storm, Written: stablewrite.DirectBounced, Gate: true, Writes: 3, Overlapped: 3}, Clean,
			"3 writes, 3 changed in flight, 0 torn: verify protected against storm\n0 of 3 such writes torn: the rate is below 100% (3/n, 95%)\nthis kernel is assumed to copy the buffer before it writes this file: this result says little unless raw is torn here\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: verify, Mutator: mutator.ABA, Written: direct, Gate: true, Writes: 3, Overlapped: 3}, Clean,
			"3 writes, 3 changed in flight, 0 torn: verify was not torn by aba in this run, and promises nothing\n0 of 3 such writes torn: the rate is below 100% (3/n, 95%)\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
		{record.Repro{Strategy: raw, Mutator: mutator.None, Writes: 3, Torn: 1}, Torn,
			"3 writes, 0 overlapped by changes, 1 torn: the media differ though nothing changed the buffer: suspect the device, or another program that writes to it\nverdict of the program of 2011, which only looks for failed reads: no read failed"},
	} {
		if v := Judge(tc.rec); v.Outcome != tc.out || v.Text != tc.text {
			t.Errorf("%+v:\n%d %s\nwant\n%d %s", tc.rec, v.Outcome, v.Text, tc.out, tc.text)
		}
	}
}

func ExampleJudge() {
	fmt.Println(Judge(record.Repro{Strategy: stablewrite.Verify, Mutator: mutator.ABA, Gate: true, Writes: 972, Overlapped: 453, Torn: 123}).Text)
	// Output:
	// 972 writes, 453 changed in flight, 123 torn: verify does not protect against aba
	// verdict of the program of 2011, which only looks for failed reads: no read failed
}

// A gate is for one submission at a time: the first, then the resubmission.
func TestTheGatePassesWholeWritesOfAnySize(t *testing.T) {
	f := target(t)
	for _, size := range []int{4 << 10, 20 << 10, 1<<20 + 4<<10} {
		for s, want := range map[stablewrite.Strategy]int{stablewrite.Bounce: 1, stablewrite.Verify: 2} {
			most := 0
			runRace(t, Config{Target: f, Strategy: s, Mutator: mutator.Storm, Gate: true, Seed: 1, Size: size, Writes: 5, Landed: func(submission int) error {
				most = max(most, submission)
				return nil
			}})
			if most != want {
				t.Errorf("%v of %d bytes: %d submissions, want %d", s, size, most, want)
			}
		}
	}
}

// Tracking sees restored changes, which the digest misses, however long they last. In
// memory shared with another process writes are compared by the digest, and the Record
// says so.
func TestTrackingSeesWhatIsRestored(t *testing.T) {
	if _, err := stablewrite.TrackedBuffer(1); err != nil {
		testenv.Missing(t, "%v", err)
	}
	f := target(t)
	for _, gate := range []bool{true, false} {
		for _, hold := range []time.Duration{0, 30 * time.Microsecond, 300 * time.Microsecond, time.Millisecond} {
			cfg := Config{Target: f, Strategy: stablewrite.Verify, Detect: stablewrite.ByTracking, Mutator: mutator.ABA, In: mutator.Thread, Gate: gate, Hold: hold, Seed: 6, Size: 1 << 20, Writes: 40}
			rec, err := Run(context.Background(), cfg, nil)
			if err != nil || rec.Writes != 40 || rec.Tracked != 40 || rec.Torn != 0 || rec.Overlapped == 0 || gate && rec.Resubmitted != 40 {
				t.Errorf("held %v, gated %v: %v, %+v", hold, gate, err, rec)
			}
			if !Promised(rec) {
				t.Errorf("held %v: nothing is promised", hold)
			}
		}
	}
	// On a busy machine the other process may change and restore before the device reads,
	// so it is given ten races.
	var rec record.Repro
	for tries := 0; tries < 10 && rec.Torn == 0; tries++ {
		rec = runRace(t, Config{Target: f, Strategy: stablewrite.Verify, Detect: stablewrite.ByTracking, Mutator: mutator.ABA, Gate: true, Hold: DefaultGatedHold, Seed: 6})
	}
	if rec.Tracked != 0 || rec.Torn == 0 || Promised(rec) || !strings.Contains(Judge(rec).Text, "40 of the writes were compared by the digest") {
		t.Errorf("by a process: promised %v, %+v: %s", Promised(rec), rec, Judge(rec).Text)
	}
	rec = runRace(t, Config{Target: f, Strategy: stablewrite.Detect, Detect: stablewrite.ByTracking, Mutator: mutator.ABA, In: mutator.Thread, Gate: true, Hold: DefaultGatedHold, Seed: 6})
	if rec.Refused != rec.Writes || rec.Torn != 0 {
		t.Errorf("detect: %+v", rec)
	}
}
