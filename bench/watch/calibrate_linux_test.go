//go:build amd64

package watch

import (
	"testing"

	"stablepages/bench/testenv"
)

// The constants do not change while a machine runs.
func TestEveryCalibrationFindsTheSame(t *testing.T) {
	t.Parallel()
	testenv.EBPF(t)
	var first [2]uint64
	for try := range 5 {
		k, err := load(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var found [2]uint64
		for i, name := range []string{"vmemmap", "direct_map"} {
			if err := k.Variables[name].Get(&found[i]); err != nil {
				t.Fatal(err)
			}
		}
		k.Close()
		if try == 0 {
			first = found
		} else if found != first {
			t.Fatalf("%#x, and then %#x", first, found)
		}
	}
	if first[0] == 0 || first[1] == 0 {
		t.Errorf("%#x", first)
	}
}
