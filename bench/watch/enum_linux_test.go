//go:build amd64

package watch

import (
	"os"
	"testing"

	"stablepages/bench/testenv"
)

func TestEnumerators(t *testing.T) {
	types, err := os.ReadFile(kernelTypes)
	if err != nil {
		testenv.Missing(t, "the kernel's types: %v", err)
	}
	flags, err := enumerators(types, "BIO_CLONED")
	if err != nil || len(flags) < 5 {
		t.Errorf("%v, %v", flags, err)
	}
	if _, ok := flags["BIO_TRACE_COMPLETION"]; !ok {
		t.Errorf("%v is another enumeration", flags)
	}
	if _, err := enumerators(types, "BIO_NEVER"); err == nil {
		t.Error("a constant was found that there is not")
	}
	for _, n := range []int{0, 10, 24, 100, len(types) / 2, len(types) - 1} {
		if _, err := enumerators(types[:n], "BIO_CLONED"); err == nil {
			t.Errorf("%d of %d bytes are taken for whole", n, len(types))
		}
	}
}
