package stablewrite

import (
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// startedTwice starts v1 and v2 of every page, over and over, and requires that the
// media hold v2.
func startedTwice(t *testing.T, pages, rounds int, media func() []byte, first, second func(*Write), drain func()) {
	t.Helper()
	ws := make([]Write, 2*pages)
	for i := range ws {
		ws[i].Buf = AlignedBuffer(kib4)
	}
	for round := range rounds {
		for k := range pages {
			v1, v2 := &ws[2*k], &ws[2*k+1]
			v1.Off, v2.Off = int64(k)*kib4, int64(k)*kib4
			fillBlock(v1.Buf, byte(2*round+1))
			fillBlock(v2.Buf, byte(2*round+2))
			first(v1)
			second(v2)
		}
		drain()
		for k, p := 0, media(); k < pages; k++ {
			if v, err := uniform(block(p, k)); err != nil || v != byte(2*round+2) {
				t.Fatalf("round %d, page %d: the media hold %#x, the write started last has %#x: %v", round, k, v, byte(2*round+2), err)
			}
		}
	}
}

// Of two writes of one page, the one started last remains: through one Queue, through two
// Queues of one File, and through a Queue and Do.
func TestWhatIsStartedLastRemains(t *testing.T) {
	t.Parallel()
	const pages, rounds = 64, 100
	onBothEngines(t, pages*kib4, func(t *testing.T, name string, o Options) {
		f := opened(t, name, o)
		one, two := f.Queue(2*pages), f.Queue(2*pages)
		defer one.Close()
		defer two.Close()
		buf := AlignedBuffer(pages * kib4)
		media := func() []byte {
			if _, err := f.ReadAt(buf, 0); err != nil {
				t.Fatal(err)
			}
			return buf
		}
		start := func(q *Queue) func(*Write) { return func(w *Write) { starts(t, q, w) } }
		drain := func() { drained(t, one); drained(t, two) }
		startedTwice(t, pages, rounds, media, start(one), start(one), drain)
		startedTwice(t, pages, rounds/2, media, start(one), start(two), drain)
		startedTwice(t, pages, rounds/8, media, start(one), func(w *Write) {
			if err := f.Do(w); err != nil {
				t.Fatal(err)
			}
		}, drain)
		if f.Close(); len(testenv.Media(t, name)) != pages*kib4 {
			t.Error("the file has another length")
		}
	})
}

// The same holds on a Device, whose calls run on goroutines that end in any order.
func TestWhatIsStartedLastRemainsOnADevice(t *testing.T) {
	t.Parallel()
	defer watch(t.Name(), time.Minute)()
	const pages = 16
	for _, s := range []Strategy{Verify, Bounce, Raw} {
		d := newDisk(pages * kib4)
		q := d.file(t, Options{Strategy: s}).Queue(2 * pages)
		start := func(w *Write) { starts(t, q, w) }
		startedTwice(t, pages, 20000/pages/3, func() []byte { return d.media }, start, start, func() { drained(t, q) })
	}
}
