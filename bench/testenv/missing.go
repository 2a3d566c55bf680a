package testenv

import (
	"fmt"
	"os"
	"testing"
)

// Missing ends a test that cannot run here. The arguments describe what it needs.
func Missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	what := fmt.Sprintf(format, args...)
	if os.Getenv("STABLEPAGES_REQUIRE") == "all" {
		tb.Fatalf("STABLEPAGES_REQUIRE=all, and missing: %s", what)
	}
	tb.Skipf("missing: %s", what)
}
