package stablewrite

import "testing"

// A Queue may be deeper than any ring, and its owner may start all writes before it
// waits. Submissions that do not fit the ring go by blocking calls, and all bytes land.
func TestAQueueDeeperThanARing(t *testing.T) {
	t.Parallel()
	const pages, writes = 256, 6 * maxDepth
	onBothEngines(t, pages*kib4, func(t *testing.T, name string, o Options) {
		f := opened(t, name, o.with(Raw))
		q := f.Queue(writes)
		bufs := Buffers(pages, kib4)
		for i, p := range bufs {
			fillBlock(p, byte(i))
		}
		for i := range writes {
			starts(t, q, &Write{Buf: bufs[i%pages], Off: int64(i%pages) * kib4})
		}
		if n := drained(t, q); n != writes {
			t.Errorf("%d Writes came back", n)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		got := AlignedBuffer(pages * kib4)
		if _, err := f.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		for i := range pages {
			if v, err := uniform(block(got, i)); err != nil || v != byte(i) {
				t.Fatalf("page %d: %d, %v", i, v, err)
			}
		}
	})
}
