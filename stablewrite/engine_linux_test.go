package stablewrite

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stablepages/bench/testenv"
)

// A Queue of any depth has a ring.
func TestADeepQueueHasARing(t *testing.T) {
	f, err := Create(filepath.Join(testenv.DirectDir(t), "f"), Options{Engine: ByRing})
	if err != nil {
		testenv.Missing(t, "io_uring: %v", err)
	}
	defer f.Close()
	if err := f.Truncate(kib4); err != nil {
		t.Fatal(err)
	}
	for _, depth := range []int{math.MinInt, 1, math.MaxInt/2 + 1, math.MaxInt} {
		q := f.Queue(depth)
		if err := q.Start(&Write{Buf: AlignedBuffer(kib4)}); err != nil {
			t.Fatal(err)
		}
		q.Wait()
		if q.ring == nil {
			t.Errorf("depth %d: no ring", depth)
		}
		q.Close()
	}
}

// A File that cannot have a ring says why.
func TestAFileThatCannotBeReadSaysWhyThereIsNoRing(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	f, err := OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if kind, why := f.Engine(); kind != ByCalls || !strings.Contains(why, "O_RDWR") {
		t.Errorf("%v: %s", kind, why)
	}
}
