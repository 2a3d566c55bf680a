package stablewrite

import "testing"

// A Queue is deeper than any ring, and its owner waits only when all writes are started.
// Submissions that do not fit go by blocking calls, and all writes return with receipts
// that are true.
func TestAQueueDeeperThanARing(t *testing.T) {
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
			t.Errorf("%d came back", n)
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
