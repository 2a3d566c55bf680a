package stablewrite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
)

// loadTime is how long TestLoad runs: STABLEPAGES_LOAD, or a moment.
func loadTime(t *testing.T) time.Duration {
	s := os.Getenv("STABLEPAGES_LOAD")
	if s == "" {
		return 1500 * time.Millisecond
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("STABLEPAGES_LOAD: %v", err)
	}
	return d
}

// Two processes, many goroutines, all strategies on the same files, memory that changes
// all the time: nothing is torn, nothing that was acknowledged is lost, nothing is left
// behind, and it ends.
func TestLoad(t *testing.T) {
	dir, l := testenv.DirectDir(t), newLedger()
	files := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	newPartyFiles(t, l, files...)
	memory, err := newMemfd(movingBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(memory)
	duration, rounds, resubmitted := loadTime(t), 0, int64(0)
	var before held
	for began := time.Now(); time.Since(began) < duration || !everyStrategy(l) || resubmitted == 0; rounds++ {
		if rounds == 1 { // the process keeps resources of the first round
			before = nowHeld()
		}
		resubmitted += loadRound(t, l, files, memory, uint64(rounds))
	}
	if err := before.leftBehind(); err != nil {
		t.Error(err)
	}
	t.Logf("%d rounds, acknowledged: %v, %d bytes resubmitted by one of two processes", rounds, l.acknowledged, resubmitted)
}

// everyStrategy reports whether writes by every Strategy were acknowledged.
func everyStrategy(l *ledger) bool {
	for _, s := range Strategies() {
		if l.acknowledged[s] == 0 {
			return false
		}
	}
	return true
}

// loadRound lets both processes write for a moment, stops them in the middle of it, and
// compares the media with the ledger: faults are seen best where the last writes met.
func loadRound(t *testing.T, l *ledger, files []string, memory int, round uint64) (resubmitted int64) {
	t.Helper()
	defer watch(t.Name(), patience)()
	m, err := move(memory, movingBytes, 0, round)
	if err != nil {
		t.Fatal(err)
	}
	p := newParty(0, files, round)
	other := startChild(t, newParty(1, files, round), memory, l.take)
	ended := make(chan error)
	go func() { ended <- p.run(m.p, l.take) }()
	time.Sleep(100 * time.Millisecond)
	other.end.Close()
	err = other.wait()
	p.stop.Store(true)
	if err := errors.Join(err, <-ended, m.close()); err != nil {
		t.Fatal(err)
	}
	for i, name := range files {
		if err := l.check(uint8(i), testenv.Media(t, name)); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	return p.resubmitted.Load()
}

// patience is longer than these tests take on any machine.
const patience = 3 * time.Minute
