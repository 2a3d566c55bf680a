package stablewrite

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
)

// A process that writes is killed again and again. After each kill the receipts that it
// returned are true of the media.
func TestReceiptsHoldAfterKill(t *testing.T) {
	t.Parallel()
	const kills = 24
	if os.Geteuid() != 0 {
		killWriters(t, testenv.DirectDir(t), kills)
		return
	}
	onEveryFileSystem(t, func(t *testing.T, v *testenv.Volume) { killWriters(t, v.Dir, kills/4) })
}

// killWriters kills each child a while after 50 or more of its writes were acknowledged,
// and checks the media after each kill.
func killWriters(t *testing.T, dir string, kills int) {
	memory, err := newMemfd(movingBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(memory)
	l, files := newLedger(), []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	newPartyFiles(t, l, files...)
	rng, least := rand.New(rand.NewPCG(5, 6)), 0
	for k := range kills {
		enough := 50 + rng.Int32N(200)
		least += int(enough)
		killOne(t, l, newParty(0, files, uint64(k)), memory, enough, time.Duration(rng.IntN(5000))*time.Microsecond)
		for i, name := range files {
			if err := l.check(uint8(i), testenv.Media(t, name)); err != nil {
				t.Fatalf("after kill %d: %v", k, err)
			}
		}
	}
	if got := l.total(); got < least/2 {
		t.Errorf("%d writes were acknowledged before %d kills: the test showed nothing", got, kills)
	}
	t.Logf("%d kills, acknowledged: %v", kills, l.acknowledged)
}

// killOne starts a child, and kills it when enough writes returned and a while
// has passed.
func killOne(t *testing.T, l *ledger, p *party, memory int, enough int32, while time.Duration) {
	t.Helper()
	defer watch(t.Name(), patience)()
	var returned atomic.Int32
	due := make(chan struct{})
	c := startChild(t, p, memory, func(n note) {
		l.take(n)
		if n.Returned && returned.Add(1) == enough {
			close(due)
		}
	})
	select {
	case <-due:
		time.Sleep(while)
		c.cmd.Process.Kill()
		if err := c.wait(); c.cmd.ProcessState.Exited() {
			t.Fatalf("it ended before it was killed: %v", err)
		}
	case err := <-c.notes:
		c.notes <- err
		t.Fatalf("it ended by itself: %v", c.wait())
	}
	l.killed(p.Process)
}
