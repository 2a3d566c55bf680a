package crcguard

import "unsafe"

// stores is how a copy is stored.
type stores uint8

const (
	bySize stores = iota // cached, unless the copy is so long that no cache would keep it
	cold                 // past the caches
)

// streamFrom is the length from which a copy goes past the caches by itself. Measured
// on a processor whose second-level cache has 2 MiB: from 2 MiB on streaming was the
// faster whatever was in the caches, at 1 MiB it was the slower if all was.
const streamFrom = 2 << 20

// line is the length of a cache line. Stores past the caches are of whole, aligned
// vectors, at most as long.
const line = 64

// stream reports whether the copy to dst goes past the caches.
func (s stores) stream(dst []byte) bool {
	return (s == cold || len(dst) >= streamFrom) && uintptr(unsafe.Pointer(unsafe.SliceData(dst)))%line == 0
}
