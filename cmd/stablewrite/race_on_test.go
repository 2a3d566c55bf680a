//go:build race

package main

// The race detector's runtime is not part of the program that is tested.
const raceEnabled = true
