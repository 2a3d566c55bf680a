//go:build !race

package stablewrite

const raceEnabled = false
