package mutator

import "math/bits"

// hintPage is the page size of PostgreSQL, whose hint bits these are.
const hintPage = 8192

// hint sets the next clear bit of every page, and never clears a bit.
func hint(b *buffer) func() {
	at := b.rng.IntN(hintPage)
	return func() {
		at = (at + 1) % hintPage
		b.change(func() {
			for lo := 0; lo < len(b.buf); lo += hintPage {
				setNext(b.buf[lo:min(lo+hintPage, len(b.buf))], at)
			}
		})
	}
}

// setNext sets the first clear bit of page from byte at on, and around.
func setNext(page []byte, at int) {
	for i := range page {
		p := &page[(at+i)%len(page)]
		if k := bits.TrailingZeros8(^*p); k < 8 {
			*p |= 1 << k
			return
		}
	}
}
