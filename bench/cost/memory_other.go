//go:build !linux

package cost

func lastLevelCache() int64   { return 0 }
func availableMemory() int64  { return 0 }
func backingOf([]byte) string { return "" }
