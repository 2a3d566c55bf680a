//go:build invariants

package stablewrite

import "testing"

// Memory that is written after it was given back is found out.
func TestPoisonIsLookedFor(t *testing.T) {
	p := NewPool(kib4)
	b := p.get(kib4)
	p.put(b)
	p.put(p.get(kib4)) // untouched: nothing is said
	b[17] = 0
	defer func() {
		if recover() == nil {
			t.Error("it was not found out")
		}
	}()
	p.get(kib4)
}
