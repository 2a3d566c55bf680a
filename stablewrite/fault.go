package stablewrite

import (
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"unsafe"

	"stablepages/crcguard"
)

// Caller memory may be a mapping whose file was truncated. Reading it then is a fault,
// which would end the program. The functions below return EFAULT instead, as a system
// call would. No other code reads or writes caller memory.

// arm takes the first look.
func (s *segment) arm() (err error) {
	defer caught(s.parts, &err, debug.SetPanicOnFault(true))
	s.sum = s.guard.ArmPartsAt(s.parts, s.off)
	copy(s.sums, s.guard.Sums())
	if s.strict && !s.guard.tracks() {
		return ErrNotTracked
	}
	return nil
}

// look takes the second look.
func (s *segment) look() (err error) {
	defer caught(s.parts, &err, debug.SetPanicOnFault(true))
	s.changed = s.guard.AppendChangedParts(s.changed[:0], s.parts)
	return nil
}

// copy copies e, whole blocks, to the start of dst, and stores their sums.
func (s *segment) copy(dst []byte, e Extent) (sum uint32, err error) {
	defer caught(s.parts, &err, debug.SetPanicOnFault(true))
	at := 0
	for _, p := range s.parts {
		lo, hi := max(0, e.Off-at), min(len(p), e.Off+e.Len-at)
		at += len(p)
		if lo >= hi {
			continue
		}
		off := s.off + int64(at-len(p)+lo)
		first := crcguard.BlocksAt(s.off, at-len(p)+lo)
		one := s.copies(dst[:hi-lo], p[lo:hi], off, s.sums[first:])
		sum = crcguard.Combine(sum, one, int64(hi-lo))
		dst = dst[hi-lo:]
	}
	return sum, nil
}

// copyPlain copies src to dst; either may be caller memory.
func copyPlain(dst, src []byte) (n int, err error) {
	defer caught([][]byte{dst, src}, &err, debug.SetPanicOnFault(true))
	return copy(dst, src), nil
}

// caught, deferred, makes a fault in parts EFAULT. It makes any other panic an error,
// with which the write panics once nothing of it is in flight.
func caught(parts [][]byte, err *error, was bool) {
	debug.SetPanicOnFault(was)
	v := recover()
	fault, ok := v.(interface {
		runtime.Error
		Addr() uintptr
	})
	switch {
	case v == nil:
	case ok && slices.ContainsFunc(parts, func(p []byte) bool {
		return fault.Addr()-uintptr(unsafe.Pointer(unsafe.SliceData(p))) < uintptr(len(p))
	}):
		*err = syscall.EFAULT
	default:
		*err = panicOf(v)
	}
}

// coldCopy is the length from which copies that bypass the caches take less processor
// time: 0.150 s/GiB for 0.181 at depth 16 (BenchmarkBounce, Emerald Rapids).
const coldCopy = 128 << 10

// copyBlocks copies into memory of a Pool. Only a device reads the copy, so a long one
// bypasses the caches: the device waits for bytes that are in the cache of another core.
func copyBlocks(dst, src []byte, off int64, sums []uint32) uint32 {
	if len(src) >= coldCopy {
		return crcguard.CopyBlocksColdAt(dst, src, off, sums)
	}
	return crcguard.CopyBlocksAt(dst, src, off, sums)
}
