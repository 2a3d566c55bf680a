package scratch

import (
	"os"
	"testing"

	"stablepages/bench/testenv"
)

// A file with many holes has more extents than the kernel lists at a time.
func TestExtentsAreThePartsThatAreNoHoles(t *testing.T) {
	f, err := Temporary(testenv.DirectDir(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const parts, block, stride = 600, 4096, 3 * 4096
	for i := range parts {
		if _, err := f.WriteAt(make([]byte, block), int64(i*stride)); err != nil {
			t.Fatal(err)
		}
	}
	if err := DataSync(f); err != nil {
		t.Fatal(err)
	}
	n, seen := 0, map[int64]bool{}
	for e, err := range Extents(f) {
		if err != nil || e.Logical != int64(n*stride) || e.Length != block || seen[e.Physical] {
			t.Fatalf("extent %d: %+v, %v", n, e, err)
		}
		seen[e.Physical] = true
		n++
	}
	if n != parts {
		t.Errorf("%d extents, want %d", n, parts)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for e, err := range Extents(null) {
		if err == nil {
			t.Errorf("%s has an extent: %+v", null.Name(), e)
		}
	}
}
