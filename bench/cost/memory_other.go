//go:build !linux

package cost

import "stablepages/stablewrite"

func lastLevelCache() int64   { return 0 }
func availableMemory() int64  { return 0 }
func backingOf([]byte) string { return "" }

func mapPages(n int, _ bool) ([]byte, func(), error) {
	return stablewrite.AlignedBuffer(n), func() {}, nil
}
