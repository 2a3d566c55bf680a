package mutator

import (
	"bytes"
	"math/rand/v2"
	"time"

	"stablepages/crcguard"
)

// victim is the buffer and what a mutator may draw on.
type victim struct {
	buf  []byte
	rng  *rand.Rand
	hold time.Duration
	ctl  *control
}

// change is what every store to buf goes through: it is counted, and the count
// is odd while it is being made.
func (v *victim) change(store func()) {
	v.ctl.changes.Add(1)
	store()
	v.ctl.changes.Add(1)
}

// letters is what the writer of 2011 writes.
func letters(buf []byte) { repeat(buf, bytes.Repeat([]byte{'a'}, crcguard.BlockSize)) }

// fillLetter is what that writer does before each write.
func fillLetter(buf []byte, _ uint64) { letters(buf) }

// fillNumber gives the nth write content that no other has: a block that is lost
// then shows, even one that nothing changed.
func fillNumber(buf []byte, n uint64) {
	page := make([]byte, crcguard.BlockSize)
	words(page, n)
	repeat(buf, page)
}

// repeat fills buf with copies of page, which nobody else changes. Under the race
// detector, which does not know buf anyway, it would take longer than a write
// does.
//
//go:norace
func repeat(buf, page []byte) {
	for len(buf) > 0 {
		buf = buf[copy(buf, page):]
	}
}
