// Package testenv tells tests what the machine offers: directories that are written
// directly, loop devices, file systems. A test that needs something else names it with
// Missing and is skipped; with STABLEPAGES_REQUIRE=all it fails. The package also
// compares generated sections of Markdown files with their sources.
package testenv
