package cost

import (
	"bytes"
	"testing"
)

func TestChangesAreEvenlySpread(t *testing.T) {
	for _, share := range []float64{0, 0.01, 0.1, 0.3, 0.5, 0.99, 1} {
		c := newChanges(share, 0, 4096, 1)
		buf := make([]byte, 4096)
		made, last := 0, 0
		for k := 1; k <= 1000; k++ {
			c.begin(0, buf)
			c.inFlight(0, 4096)
			if c.end(0) {
				if gap := float64(k - last); gap > 1/share+1 {
					t.Errorf("%v: %v writes from one changed to the next", share, gap)
				}
				last = k
				made++
			}
			if off := float64(made) - share*float64(k); off > 1e-6 || off <= -1-1e-6 {
				t.Fatalf("%v: %d of %d", share, made, k)
			}
		}
	}
}

// Resubmissions do not change the buffer again, and segments change only their blocks.
func TestABlockChangesOnceInAWriteAndNeverBack(t *testing.T) {
	const size = 4 * 4096
	c := newChanges(1, 2, size, 2)
	buf := make([]byte, size)
	versions := map[string]bool{string(buf): true}
	for range 1000 {
		c.begin(1, buf)
		c.inFlight(size, 4096) // blocks 0 and 2 are to be changed
		c.inFlight(size, size)
		c.inFlight(size+4096, 4096)
		after := bytes.Clone(buf)
		c.inFlight(size, size)
		if !c.end(1) || !bytes.Equal(after, buf) {
			t.Fatal("a block was changed twice, or not at all")
		}
		if versions[string(buf)] {
			t.Fatal("the buffer holds what it held before")
		}
		versions[string(buf)] = true
	}
	for i, want := range []bool{true, false, true, false} {
		if got := buf[i*4096] != 0; got != want {
			t.Errorf("block %d: changed %v", i, got)
		}
	}
	c.begin(1, buf)
	c.inFlight(size, 2*4096)
	if c.end(1) {
		t.Error("a write of which a part was submitted counts as changed")
	}
}
