//go:build race

package stablewrite

// sync.Pool allocates under the race detector.
const raceEnabled = true
