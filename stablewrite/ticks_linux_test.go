package stablewrite

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// Only the goroutine that has claimed a ring reaps. If the timer did, it could reap the
// completion that was to wake that goroutine before it sleeps, and it would sleep for
// ever: the kernel counts completions from the start of the wait.
func TestTheTimerReapsNothingThatSomebodyClaimed(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	name := filepath.Join(testenv.DirectDir(t), "f")
	if err := os.WriteFile(name, make([]byte, kib4), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(name, Options{Engine: ByRing})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	q := f.Queue(1)
	defer q.Close()
	claimed := 0
	for range 100 {
		w := &Write{Buf: AlignedBuffer(kib4)}
		if err := q.Start(w); err != nil {
			t.Fatal(err)
		}
		if q.ring.claim() {
			flying := q.ring.busy()
			time.Sleep(3 * idleReap)
			q.ring.look()
			if flying {
				claimed++
				if !q.ring.busy() {
					t.Error("the timer reaped a completion of a claimed ring")
				}
			}
			q.ring.drive()
		}
		if q.Wait() != w || w.Err != nil {
			t.Error(w.Err)
		}
	}
	if claimed == 0 {
		t.Error("the timer was always first: the test showed nothing")
	}
}
