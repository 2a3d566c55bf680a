package mutator

import (
	"bytes"
	"math/rand/v2"
	"time"

	"stablepages/crcguard"
)

// buffer is the shared buffer, and the other things that a mutator uses.
type buffer struct {
	buf  []byte
	rng  *rand.Rand
	hold time.Duration
	ctl  *control
}

// change makes a store to buf and counts it. The count is odd during the store.
func (b *buffer) change(store func()) {
	b.ctl.changes.Add(1)
	store()
	b.ctl.changes.Add(1)
}

// fillLetter fills buf as the writer of 2011 did.
func fillLetter(buf []byte, _ uint64) { repeat(buf, bytes.Repeat([]byte{'a'}, crcguard.BlockSize)) }

// fillNumber gives write n content that no other write has, so that a lost block shows
// even if nothing changed it.
func fillNumber(buf []byte, n uint64) {
	page := make([]byte, crcguard.BlockSize)
	words(page, n)
	repeat(buf, page)
}

// repeat fills buf with copies of page, which nobody else changes. The race detector does
// not see buf, and under it repeat would take longer than a write.
//
//go:norace
func repeat(buf, page []byte) {
	for len(buf) > 0 {
		buf = buf[copy(buf, page):]
	}
}
