package testenv

import (
	"os"
	"testing"
)

// Full reports whether STABLEPAGES_LOAD is set: tests that try a part of very much
// then try all of it.
func Full() bool { return os.Getenv("STABLEPAGES_LOAD") != "" }

// Long ends a test that takes half a minute, unless Full.
func Long(tb testing.TB) {
	tb.Helper()
	if !Full() {
		tb.Skip("takes long: make load, or STABLEPAGES_LOAD=15s")
	}
}
