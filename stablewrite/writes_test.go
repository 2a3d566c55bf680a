package stablewrite

import (
	"fmt"
	"testing"
)

// starts calls q.Start, and ends the test at an error.
func starts(t testing.TB, q *Queue, w *Write) {
	t.Helper()
	if err := q.Start(w); err != nil {
		t.Fatal(err)
	}
}

// drained drains q and returns the number of Writes. It reports those that failed.
func drained(t testing.TB, q *Queue) (n int) {
	t.Helper()
	for w := range q.Drain() {
		if n++; w.Err != nil {
			t.Error(w.Err)
		}
	}
	return n
}

// filled returns a buffer of n bytes v.
func filled(n int, v byte) []byte { return fillBlock(AlignedBuffer(n), v) }

// uniform returns the byte that p is full of.
func uniform(p []byte) (byte, error) {
	for i, v := range p {
		if v != p[0] {
			return 0, fmt.Errorf("byte 0 is %#x and byte %d is %#x", p[0], i, v)
		}
	}
	return p[0], nil
}
