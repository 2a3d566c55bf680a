package crcguard_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"stablepages/crcguard"
)

// fenced returns n bytes, whole pages, between two pages that cannot be touched.
func fenced(t *testing.T, n int) []byte {
	t.Helper()
	page := os.Getpagesize()
	p, err := unix.Mmap(-1, 0, n+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(p) })
	for _, fence := range [][]byte{p[:page], p[page+n:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return p[page : page+n : page+n]
}

// A load or store beside a buffer would be a SIGSEGV here, before its first byte and
// after its last.
func TestNothingBesideTheBuffersIsTouched(t *testing.T) {
	const room = 3 * 16 << 10 // a multiple of any page
	src, dst := fenced(t, room), fenced(t, room)
	copy(src, random(newRand(), room))
	everyKernel(t, func(t *testing.T) {
		rng := newRand()
		for i := range 4000 / thin() {
			n := rng.IntN(room + 1)
			if i%2 == 0 {
				n -= n % crcguard.BlockSize
			}
			off := rng.Int64N(8) * 512
			first, last := src[:n], src[room-n:]
			equal(t, first, dst[room-n:], off, newReferenceAt(first, off))
			equal(t, last, dst[:n], off, newReferenceAt(last, off))
		}
	})
}

// Within a page only changed bytes show a store beside the buffer.
func TestNothingBesideADestinationIsWritten(t *testing.T) {
	const beside, most = 256, 20 << 10
	around := aligned(most+2*beside, 64)
	src := random(newRand(), most)
	everyKernel(t, func(t *testing.T) {
		rng := newRand()
		for i := range 4000 / thin() {
			n, at := rng.IntN(most-64), beside+rng.IntN(64)
			if i%2 == 0 {
				at = beside // where streaming begins
			}
			for i := range around {
				around[i] = 0xa5
			}
			equal(t, src[:n], around[at:at+n], 0, newReferenceAt(src[:n], 0))
			for i, b := range around {
				if b != 0xa5 && (i < at || i >= at+n) {
					t.Fatalf("%d bytes at %d: byte %d was written", n, at, i)
				}
			}
		}
	})
}
