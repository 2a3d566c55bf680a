package mutator

import "math/bits"

// hintPage is the page of the database that the name is from: PostgreSQL's.
const hintPage = 8192

// hint sets the next clear bit of every page, and never clears one.
func hint(v *victim) func() {
	at := v.rng.IntN(hintPage)
	return func() {
		at = (at + 1) % hintPage
		v.change(func() {
			for lo := 0; lo < len(v.buf); lo += hintPage {
				setNext(v.buf[lo:min(lo+hintPage, len(v.buf))], at)
			}
		})
	}
}

// setNext sets the first clear bit of page from byte at on, and around.
func setNext(page []byte, at int) {
	for i := range page {
		b := &page[(at+i)%len(page)]
		if k := bits.TrailingZeros8(^*b); k < 8 {
			*b |= 1 << k
			return
		}
	}
}
