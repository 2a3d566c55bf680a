//go:build race

package crcguard

import (
	"runtime"
	"unsafe"
)

// reads and writes tell the race detector, which does not see into assembly, about reads
// and writes of the caller's memory.

func reads(p []byte) { runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(p)), len(p)) }

func writes[E byte | uint32](s []E) {
	var e E
	runtime.RaceWriteRange(unsafe.Pointer(unsafe.SliceData(s)), len(s)*int(unsafe.Sizeof(e)))
}
