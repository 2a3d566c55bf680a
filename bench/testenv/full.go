package testenv

import (
	"os"
	"testing"
)

// Full reports whether STABLEPAGES_LOAD is set. Tests that try a sample of many cases then
// try all of them.
func Full() bool { return os.Getenv("STABLEPAGES_LOAD") != "" }

// Long ends a test, because it takes half a minute, unless Full.
func Long(tb testing.TB) {
	tb.Helper()
	if !Full() {
		tb.Skip("takes long: make load, or STABLEPAGES_LOAD=15s")
	}
}
