package testenv

import "os"

// Full reports whether STABLEPAGES_LOAD is set: tests that try a part of very much
// then try all of it.
func Full() bool { return os.Getenv("STABLEPAGES_LOAD") != "" }
