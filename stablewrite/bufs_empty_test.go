package stablewrite

import (
	"testing"
	"time"
)

// An empty part of Bufs is ignored, also before a part that begins within a block and
// after a part that ends within one.
func TestAnEmptyPartIsNoBoundary(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	p := random(1, 2*kib4)
	for name, bufs := range map[string][][]byte{
		"before": {nil, p[512:kib4], p[kib4:]},
		"within": {p[512:kib4], nil, p[kib4:]},
		"after":  {p[512:kib4], p[kib4 : kib4+512], {}},
	} {
		d := newDisk(4 * kib4)
		if err := d.file(t, Options{}).Do(&Write{Bufs: bufs, Off: 512}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
