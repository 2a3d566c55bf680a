// Package testenv gives tests directories that are written directly, loop devices and file
// systems. A test that needs more names it with Missing and is skipped; with
// STABLEPAGES_REQUIRE=all it fails. The package also compares generated sections of
// Markdown files with their sources.
package testenv
