// Package testenv tells tests what the machine offers: directories that are
// written directly, loop devices, file systems. What a test needs and cannot
// have is named and skips the test; with STABLEPAGES_REQUIRE=all it fails it.
// It also compares generated sections of README and other pages with what they are
// made from.
package testenv
