//go:build !linux

package watch

import "stablepages/bench/record"

// LayersOf needs Linux.
func LayersOf(device string) []record.Layer { return nil }
