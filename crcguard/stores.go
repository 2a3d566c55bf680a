package crcguard

import "unsafe"

// stores says whether a copy bypasses the caches.
type stores uint8

const (
	bySize stores = iota // if it is too long for the caches
	cold                 // at any length
)

// streamFrom is the length from which copies bypass the caches. On a processor with 2 MiB
// of second-level cache, streaming was faster from 2 MiB on in every case, and slower at
// 1 MiB if source and destination were cached.
const streamFrom = 2 << 20

// line is the length of a cache line. Non-temporal stores need aligned vectors, at most
// as long.
const line = 64

// stream reports whether the copy to dst bypasses the caches.
func (s stores) stream(dst []byte) bool {
	return (s == cold || len(dst) >= streamFrom) && uintptr(unsafe.Pointer(unsafe.SliceData(dst)))%line == 0
}
