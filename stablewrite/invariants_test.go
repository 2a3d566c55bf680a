//go:build invariants

package stablewrite

import "testing"

// A write to memory that was given back is detected.
func TestPoisonIsLookedFor(t *testing.T) {
	p := NewPool(kib4)
	var l loan
	again := func() []byte {
		p.reserve(&l, kib4, 1, kib4)
		b := l.chunks[0].mem
		p.release(&l)
		return b
	}
	b := again()
	again() // the memory was not changed: no panic
	b[17] = 0
	defer func() {
		if recover() == nil {
			t.Error("the change was not detected")
		}
	}()
	again()
}
